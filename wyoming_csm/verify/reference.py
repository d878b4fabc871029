"""transformers' side: the same checkpoint in float32, then with its weights in a smaller type."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from wyoming_csm.audio import Samples
from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.checkpoint.files import opened, some
from wyoming_csm.model.checkpoint.load import CODEC, Checkpoint
from wyoming_csm.model.checkpoint.weight_map import BACKBONE_TABLE, DEPTH_TABLE
from wyoming_csm.model.mimi.weights import flat_name
from wyoming_csm.model.quantization.linear import QuantKind, dequantize, quantize
from wyoming_csm.verify.rounding import times_allowed

_AT_ONCE = 16  # frames of the depth decoder: its logits are large
TIE = 1e-4  # of two distances to codebooks' vectors: rounding decides between them
# Newer versions write it and older ones refuse it; the other is for reading from a folder.
_NOT_FOR_ALL = ("tie_word_embeddings", "transformers_weights")

Words = tuple[list[int], Tensor | None]  # tokens of a segment, and its codes [frames, codebooks]


class Reference:
    """CsmForConditionalGeneration, given every code: it says what it would have said next."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        """In float32. Raises CheckpointError: this transformers cannot read it."""
        self._checkpoint = checkpoint
        self._model = _load(checkpoint).to(device)

    @torch.no_grad()
    def clip(self, samples: Samples, ours: Tensor) -> tuple[Tensor, int]:
        """A clip's codes [frames, codebooks], and how many of `ours` differ where there is a tie.

        The codes of a frame that follow such a one are our own: what is left over is another.
        """
        codec, codebooks = self._model.codec_model, self._checkpoint.sizes.codebooks
        kinds = (
            codec.quantizer.semantic_residual_vector_quantizer,
            codec.quantizer.acoustic_residual_vector_quantizer,
        )
        projected: list[Tensor] = []  # [1, width, frames] of each kind
        with ExitStack() as hooks, _exact_convolutions():
            for kind in kinds:
                hook = kind.input_proj.register_forward_hook(
                    lambda *call: projected.append(call[2])
                )
                hooks.callback(hook.remove)
            sound = torch.from_numpy(samples).to(self._device)[None, None]
            found = codec.encode(sound, num_quantizers=codebooks).audio_codes.cpu()
        found = rearrange(found, "1 codebooks frames -> frames codebooks").clone()
        if found.shape != ours.shape:
            return found, 0
        split, ties = codec.config.num_semantic_quantizers, 0
        for kind, heard, columns in zip(
            kinds, projected, (slice(0, split), slice(split, None)), strict=False
        ):
            heard = rearrange(heard.cpu(), "1 width frames -> frames width")
            ties += _accept_ties(kind, heard, ours[:, columns], found[:, columns])
        return found, ties

    @torch.no_grad()
    def logits(self, prompt: Sequence[Words], codes: Tensor) -> Tensor:
        """float32 [codebooks, frames, codebook_size] of `codes` [frames, codebooks], on the CPU."""
        model, size = self._model, self._checkpoint.sizes.codebook_size
        codes = codes.to(self._device)
        heard = [*map(self._embed, prompt), self._embed(([], codes[:-1]))]
        together = torch.cat(heard, dim=1)
        start = together.shape[1] - len(codes)
        hidden = model.backbone_model(inputs_embeds=together)
        hidden = hidden.last_hidden_state[0, start:]
        parts = []
        for first in range(0, len(codes), _AT_ONCE):
            some_hidden, some_codes = hidden[first:][:_AT_ONCE], codes[first:][:_AT_ONCE]
            begun = F.pad(some_codes[:, :-1], (1, 0))  # the first place is the hidden state's
            rest = model.depth_decoder(begun, some_hidden.clone()).logits
            both = torch.cat((model.lm_head(some_hidden)[:, None], rest), dim=1)
            parts.append(both[..., :size].float().cpu())
        return rearrange(torch.cat(parts), "frames codebooks entries -> codebooks frames entries")

    @torch.no_grad()
    def sound(self, codes: Tensor) -> Tensor:
        """Samples of codes [frames, codebooks], decoded as a whole."""
        if not len(codes):
            return torch.empty(0)
        with _exact_convolutions():
            codes = rearrange(codes.to(self._device), "frames codebooks -> 1 codebooks frames")
            sound: Tensor = self._model.codec_model.decode(codes).audio_values
        return rearrange(sound.cpu(), "1 1 samples -> samples")

    @torch.no_grad()
    def quantize(self, backbone: QuantKind | None, depth: QuantKind | None) -> dict[str, float]:
        """Weights that this engine quantises become what its codes stand for, still in float32.

        Of each its error as `times_allowed` has it: quantising is this engine's own, on both sides.
        """
        model = self._model
        times: dict[str, float] = {}

        def rounded(name: str, weight: Tensor, kind: QuantKind) -> Tensor:
            found = _rounded(weight, kind)
            times[name] = times_allowed(weight, found, kind)
            return found

        if backbone:
            for name, linear in [*_linears(model.backbone_model), ("lm_head", model.lm_head)]:
                linear.weight.data = rounded(f"backbone {name}", linear.weight, backbone)
        if depth:
            decoder, heads = model.depth_decoder.model, model.depth_decoder.codebooks_head
            for name, linear in _linears(decoder.layers):
                linear.weight.data = rounded(f"depth decoder {name}", linear.weight, depth)
            exact = decoder.inputs_embeds_projector.weight
            projector = rounded("depth decoder projector", exact, depth)
            decoder.inputs_embeds_projector = _Projector(exact, projector)
            turned = [
                rounded(f"depth decoder head {n}", matrix.T, depth).T
                for n, matrix in enumerate(heads.weight)
            ]
            heads.weight.data = torch.stack(turned)
        return times

    @torch.no_grad()
    def convert(self, dtype: torch.dtype, device: torch.device) -> None:
        """The network's weights in another type and place; its codec is done with.

        Nothing but weights: frequencies of the rotary embedding stay as exact as they are.
        """
        self._model.codec_model = None
        for weight in self._model.parameters():
            weight.data = weight.data.to(dtype).to(device)
        self._model.to(device)

    @property
    def _device(self) -> torch.device:
        device: torch.device = self._model.lm_head.weight.device
        return device

    def _embed(self, words: Words) -> Tensor:
        """[1, positions, width]; after a clip's frames comes the one that ends it."""
        model, (tokens, codes) = self._model, words
        ids = torch.tensor([tokens], dtype=torch.long, device=self._device)
        text: Tensor = model.embed_text_tokens(ids)
        if codes is None:
            return text
        codes = codes.to(self._device)
        if tokens:
            end = model.config.codebook_eos_token_id
            codes = torch.cat((codes, torch.full_like(codes[:1], end)))
        return torch.cat((text, model.backbone_model.embed_tokens(codes[None])), dim=1)


class _Projector(nn.Module):
    """Embeddings go through it as they are (here they are projected before they are rounded);
    the backbone's hidden state, which comes first, through the rounded one."""

    def __init__(self, exact: nn.Parameter, rounded: Tensor) -> None:
        super().__init__()
        self.exact = exact
        self.rounded = nn.Parameter(rounded, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """x [frames, codebooks, width of the backbone] to the depth decoder's width."""
        first, rest = F.linear(x[:, :1], self.rounded), F.linear(x[:, 1:], self.exact)
        return torch.cat((first, rest), dim=1)


def tokenize(checkpoint: Checkpoint, speaker: int, text: str) -> list[int]:
    """What transformers' tokenizer makes of a text in the checkpoint's chat template."""
    from transformers import PreTrainedTokenizerFast

    made_of: Any = PreTrainedTokenizerFast
    tokenizer = made_of(tokenizer_file=str(checkpoint.folder / "tokenizer.json"))
    named = checkpoint.tokenizer_config
    begin, end = (named.get(key, usual) for key, usual in _SPECIAL.items())
    begin, end = (n["content"] if isinstance(n, dict) else n for n in (begin, end))
    ids: list[int] = tokenizer(f"{begin}[{speaker}]{text}{end}", add_special_tokens=False).input_ids
    return ids


_SPECIAL = {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>"}


def _load(checkpoint: Checkpoint) -> Any:
    """Under the names that every version reads: those from before 5.21. The files are mapped, so
    that in float32 on a CPU they are the weights."""
    from transformers import CsmConfig, CsmForConditionalGeneration
    from transformers.utils import logging

    talk: Any = logging
    talk.set_verbosity_error()
    talk.disable_progress_bar()
    settings = {k: v for k, v in checkpoint.config.items() if k not in _NOT_FOR_ALL}
    made_of: Any = CsmForConditionalGeneration
    with ExitStack() as stack:
        files = {p: stack.enter_context(opened(p)) for p in set(checkpoint.files.values())}
        state: dict[str, Tensor] = {
            _flat(name): checkpoint.merged(name, 0, files[path].get_tensor(name))
            for name, path in checkpoint.files.items()
        }
        if checkpoint.sizes.tied:  # not every version ties what is stored once
            table = state[DEPTH_TABLE if DEPTH_TABLE in state else BACKBONE_TABLE]
            state |= {DEPTH_TABLE: table, BACKBONE_TABLE: table}
        model, info = made_of.from_pretrained(
            None,
            config=CsmConfig.from_dict(settings),
            state_dict=state,
            dtype=torch.float32,
            output_loading_info=True,
        )
    if info["missing_keys"] or info["mismatched_keys"]:
        wrong = [str(name) for name in (*info["missing_keys"], *info["mismatched_keys"])]
        raise CheckpointError(f"transformers finds no {some(wrong)} in {checkpoint.folder}")
    return model.eval()


def _flat(name: str) -> str:
    return CODEC + flat_name(name.removeprefix(CODEC)) if name.startswith(CODEC) else name


def _linears(part: nn.Module) -> list[tuple[str, nn.Linear]]:
    return [(name, m) for name, m in part.named_modules() if isinstance(m, nn.Linear)]


def _rounded(weight: Tensor, kind: QuantKind) -> Tensor:
    """weight [out, in] as its quantised codes stand for it, in float32."""
    return dequantize(*quantize(weight.float().contiguous(), kind), torch.float32)


def _accept_ties(kind: Any, left: Tensor, ours: Tensor, theirs: Tensor) -> int:
    """How many of our codes [frames, codebooks] are as near as theirs; `theirs` become ours there.

    `left` [frames, width] is what the first codebook is to name.
    """
    ties, residual, same = 0, left.double(), torch.ones(len(ours), dtype=torch.bool)
    for n in range(ours.shape[1]):
        table = kind.layers[n].codebook.embed.cpu().double()
        mine, yours = ours[:, n], theirs[:, n].clone()
        near, far = ((residual - table[codes]).norm(dim=1) for codes in (mine, yours))
        tied = same & (mine != yours) & ((near - far).abs() <= TIE)
        theirs[tied, n:] = ours[tied, n:]
        same &= mine == yours
        ties += int(tied.sum())
        residual = residual - table[yours]
    return ties


def _exact_convolutions() -> Any:
    """cuDNN would round single precision to TF32."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
