"""csm-streaming's loop, stated again from its description: a rival, given its best.

What it does: the original model's two calls a frame. The backbone is given the whole-frame tensor
(codes and text column, masked, embedded, summed) over a cache of 2048 positions and a causal
mask picked by position; the depth decoder's cache is emptied and it is called 31 times, each time
projected, masked by position, sampled from the softmax of the top k by the trick with exponential
noise that needs no wait. Both stacks are compiled (`reduce-overhead`, whole graphs: CUDA graphs
on a GPU), everything between them is launched one by one. Every frame is waited for, tested
for NaN and for zeros; twenty are gathered before the codec sees them.

Left out because it only costs: autocast (the weights have the type already), a second softmax,
the reading of cache lengths when the depth decoder's cache is emptied (4 waits a frame in its
library), growing the tensor of codes by copying, the clip encoded again at each request.
Otherwise its library's arithmetic: keys and values repeated for the query heads, norms and
rotations in float32, separate projections. Rotations pair halves instead of neighbours, as the
weights of the transformers layout want it: the same work. Its codec has the model's type here,
where the original's has float32: to its advantage.
"""

import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BUFFERED = 20  # frames before the codec makes sound of them
_CACHE = 2048


class CsmStreaming:
    """Over the weights of a transformers model, which it shares."""

    name = "csm-streaming's loop"

    def __init__(self, model: Any, temperature: float, top_k: int, *, compiled: bool) -> None:
        self.codec, config = model.codec_model, model.config
        self.device, self.dtype = model.lm_head.weight.device, model.lm_head.weight.dtype
        self._temperature, self._top_k = temperature, top_k
        self._codebooks, self._vocabulary = config.num_codebooks, config.vocab_size
        self._codes = config.codec_config.codebook_size
        self._text = model.embed_text_tokens
        self._audio = model.backbone_model.embed_tokens.embed_audio_tokens
        self._head = model.lm_head
        depth = model.depth_decoder
        self._projection = depth.model.inputs_embeds_projector
        self._heads = depth.codebooks_head.weight  # [codebooks - 1, width, vocabulary]
        backbone = _Stack(model.backbone_model, config, _CACHE)
        decoder = _Stack(depth.model, depth.config, self._codebooks)
        self._caches = (*backbone.caches(), *decoder.caches())
        self._depth_caches = decoder.caches()
        self._backbone_mask = _causal(_CACHE, self.device)
        self._depth_mask = _causal(self._codebooks, self.device)
        self._offsets = torch.arange(self._codebooks, device=self.device) * self._vocabulary
        self._backbone: Any = backbone
        self._decoder: Any = decoder
        if compiled:
            how: dict[str, Any] = {"mode": "reduce-overhead", "fullgraph": True}
            self._backbone = torch.compile(backbone, **how)
            self._decoder = torch.compile(decoder, **how)

    @torch.inference_mode()
    def speak(self, prompt: Tensor, frames: int, *, sound: bool = True) -> list[float]:
        """Seconds from the call until each frame's codes were looked at; for `models.prompt`.

        With `sound` the codec has its twenty frames whenever they are there.
        """
        began, ends, waiting = time.perf_counter(), [], []
        for codes in self.frames(prompt, frames):
            waiting.append(codes)
            if sound and len(waiting) == BUFFERED:
                self.decode(waiting)
                waiting = []
            ends.append(time.perf_counter() - began)
        return ends

    @torch.inference_mode()
    def frames(self, prompt: Tensor, count: int) -> Any:
        """The codes [1, codebooks] of one frame after another, looked at as it looks at them."""
        for cache in self._caches:
            cache.zero_()
        tokens = prompt.to(self.device)[None]  # [1, n, codebooks + 1]
        said = tokens >= 0
        tokens = tokens.clamp(min=0)
        positions = torch.arange(tokens.shape[1], device=self.device)[None]
        none = torch.zeros(1, 1, dtype=torch.long, device=self.device)
        no = none.bool()
        for _ in range(count):
            codes = self._frame(tokens, said, positions)
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            if torch.isnan(codes).any() or torch.all(codes == 0):
                return
            yield codes
            tokens = torch.cat((codes, none), dim=1)[:, None]
            said = torch.cat((torch.ones_like(codes).bool(), no), dim=1)[:, None]
            positions = positions[:, -1:] + 1

    @torch.inference_mode()
    def decode(self, frames: list[Tensor]) -> Tensor:
        """Twenty frames to sound [samples], on the host."""
        codes = torch.stack(frames).permute(1, 2, 0)  # [1, codebooks, frames]
        codes = codes.clamp(max=self._codes - 1)  # random weights make codes the codec has not
        sound: Tensor = self.codec.decode(codes).audio_values
        return sound[0, 0].cpu()

    def _frame(self, tokens: Tensor, said: Tensor, positions: Tensor) -> Tensor:
        mask = self._backbone_mask[positions]  # [1, n, 2048]
        text = self._text(tokens[..., -1:])  # [1, n, 1, width]
        audio = self._audio(tokens[..., :-1] + self._offsets)  # [1, n, codebooks, width]
        embedded = torch.cat((audio, text), dim=2) * said[..., None]
        last = self._backbone(embedded.sum(dim=2), positions, mask)[:, -1]  # [1, width]
        code = self.draw(self._head(last))
        found = [code]
        x = torch.stack((last, self._audio(code[:, 0])), dim=1)
        at = torch.arange(2, device=self.device)[None]
        for cache in self._depth_caches:
            cache.zero_()
        for codebook in range(1, self._codebooks):
            hidden = self._decoder(self._projection(x), at, self._depth_mask[at])
            code = self.draw(torch.mm(hidden[:, -1], self._heads[codebook - 1]))
            found.append(code)
            x = self._audio(code + codebook * self._vocabulary)  # [1, 1, width]
            at = at[:, -1:] + 1
        return torch.cat(found, dim=1)

    def draw(self, logits: Tensor) -> Tensor:
        """logits [1, vocabulary] to a code [1, 1]."""
        logits = logits / self._temperature
        least = logits.topk(self._top_k).values[..., -1:]
        chances = logits.masked_fill(logits < least, -torch.inf).softmax(dim=-1)
        noise = torch.empty_like(chances).exponential_(1)
        return (chances / noise).argmax(dim=-1, keepdim=True)


class _Stack(nn.Module):
    """Llama blocks with a cache each, of their own."""

    def __init__(self, source: Any, config: Any, positions: int) -> None:
        super().__init__()
        weight = source.norm.weight
        at = torch.arange(max(positions, config.max_position_embeddings), device=weight.device)
        cos, sin = source.rotary_emb(weight.float(), at[None])  # [1, positions, head_dim]
        self.register_buffer("cos", cos[0])
        self.register_buffer("sin", sin[0])
        self.layers = nn.ModuleList([_Block(b, config, positions) for b in source.layers])
        self.norm = _Norm(weight, config.rms_norm_eps)

    cos: Tensor
    sin: Tensor

    def forward(self, x: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        """x [1, n, width], positions [1, n], mask [1, n, cache] to the same shape as x."""
        cos, sin = self.cos[positions][:, None], self.sin[positions][:, None]
        for block in self.layers:
            x = block(x, positions[0], cos, sin, mask[:, None])
        return self.norm(x)  # type: ignore[no-any-return]

    def caches(self) -> tuple[Tensor, ...]:
        """Keys and values of every layer."""
        blocks: Any = self.layers
        return tuple(cache for block in blocks for cache in (block.keys, block.values))


class _Block(nn.Module):
    def __init__(self, source: Any, config: Any, positions: int) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        self.attention, self.feed_forward = source.self_attn, source.mlp
        self.before = _Norm(source.input_layernorm.weight, config.rms_norm_eps)
        self.after = _Norm(source.post_attention_layernorm.weight, config.rms_norm_eps)
        shape = (1, config.num_key_value_heads, positions, config.head_dim)
        like = source.input_layernorm.weight
        self.register_buffer("keys", like.new_zeros(shape))
        self.register_buffer("values", like.new_zeros(shape))

    keys: Tensor
    values: Tensor

    def forward(self, x: Tensor, at: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        normed, part = self.before(x), self.attention
        q, k, v = (
            p(normed).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for p in (part.q_proj, part.k_proj, part.v_proj)
        )
        self.keys[:, :, at] = _rotate(k, cos, sin)
        self.values[:, :, at] = v
        heads = q.shape[1] // self.keys.shape[1]
        keys = self.keys.repeat_interleave(heads, dim=1)
        values = self.values.repeat_interleave(heads, dim=1)
        mixed = F.scaled_dot_product_attention(_rotate(q, cos, sin), keys, values, mask)
        x = x + part.o_proj(mixed.transpose(1, 2).flatten(2))
        return x + self.feed_forward(self.after(x))  # type: ignore[no-any-return]


class _Norm(nn.Module):
    def __init__(self, weight: Tensor, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = weight, eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return wide.type_as(x) * self.weight


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x [1, heads, n, head_dim]; in float32."""
    first, second = x.float().chunk(2, dim=-1)
    return (x * cos + torch.cat((-second, first), dim=-1) * sin).type_as(x)


def _causal(length: int, device: torch.device) -> Tensor:
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()
