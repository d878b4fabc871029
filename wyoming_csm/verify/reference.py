"""transformers' side, asked once this engine has let go of the memory: its answers to the same.

The same checkpoint speaks in float32, then with its weights in a smaller type.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from wyoming_csm.audio import Samples
from wyoming_csm.errors import CheckpointError
from wyoming_csm.model.checkpoint.files import opened, some
from wyoming_csm.model.checkpoint.load import CODEC, Checkpoint
from wyoming_csm.model.checkpoint.weight_map import BACKBONE_TABLE, DEPTH_TABLE
from wyoming_csm.model.csm import is_end
from wyoming_csm.model.mimi.weights import flat_name
from wyoming_csm.verify.ours import STREAMED_FRAMES, Case, Setting, Spoken
from wyoming_csm.verify.rounding import round_weights
from wyoming_csm.worker.csm.device import Precision, kind_of

_AT_ONCE = 16  # frames of the depth decoder: its logits are large
TIE = 1e-4  # of two distances to codebooks' vectors: rounding decides between them
# Newer versions write it and older ones refuse it; the other is for reading from a folder.
_NOT_FOR_ALL = ("tie_word_embeddings", "transformers_weights")

Words = tuple[list[int], Tensor | None]  # tokens of a segment, and its codes [frames, codebooks]


@dataclass(frozen=True)
class Truth:
    """What transformers said, all on the CPU; logits are [codebooks, frames, codebook_size]."""

    tokens: list[int]
    clip_codes: Tensor  # [frames, codebooks], ours where there is a tie
    ties: int
    rounding: dict[str, float]  # of each quantised weight, its error in parts of what is allowed
    plain: Tensor  # logits in float32
    exact: Tensor  # the same, with each weight as its quantised codes stand for it
    own: Tensor | None  # those in the type that the engine computes in; None: float32
    sound: Tensor  # [samples] of our frames
    clip_sound: Tensor


def ask(
    case: Case, spoken: Spoken, setting: Setting, precision: Precision, device: torch.device
) -> Truth:
    """Load the reference once, on `device`; its weights are rounded where they are.

    For a quantised type it is given the same rounded weights: what rounding them costs is no
    fault within the type's own bound, what is then computed with them may be. Raises
    CheckpointError, torch.OutOfMemoryError.
    """
    progress, checkpoint = setting.progress, setting.checkpoint
    progress("loading transformers' model")
    reference = Reference(checkpoint, device)
    progress("asking it in float32")
    clip_codes, ties = reference.clip(case.clip, spoken.clip_codes)
    ends = bool(is_end(spoken.codes[-1]))
    sound = reference.sound(spoken.codes[: len(spoken.codes) - ends])
    clip_sound = reference.sound(spoken.clip_codes[:STREAMED_FRAMES])
    tokens = tokenize(checkpoint, case.speaker, case.text)
    clip_tokens = tokenize(checkpoint, case.speaker, case.clip_text)
    prompt = [(clip_tokens, spoken.clip_codes), (tokens, None)]
    plain = exact = reference.logits(prompt, spoken.codes)
    rounding: dict[str, float] = {}
    backbone, depth = kind_of(precision.backbone), kind_of(precision.depth)
    if backbone or depth:
        progress(f"asking it with weights rounded to {precision}")
        rounding = round_weights(reference.model, backbone, depth)
        exact = reference.logits(prompt, spoken.codes)
    own = None
    if precision.compute != torch.float32:
        progress(f"asking it in {str(precision.compute).removeprefix('torch.')}")
        reference.convert(precision.compute, setting.device)
        own = reference.logits(prompt, spoken.codes)
    return Truth(tokens, clip_codes, ties, rounding, plain, exact, own, sound, clip_sound)


class Reference:
    """CsmForConditionalGeneration, given every code: it says what it would have said next."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        """Load it in float32. Raises CheckpointError if this transformers cannot read it."""
        self._checkpoint, self._device = checkpoint, device
        self.model = _load(checkpoint).to(device)

    @torch.no_grad()
    def clip(self, samples: Samples, ours: Tensor) -> tuple[Tensor, int]:
        """Return a clip's codes [frames, codebooks], and how many of `ours` are other by a tie.

        The codes of a frame that follow such a one are our own: what is left over is another.
        """
        codec, codebooks = self.model.codec_model, self._checkpoint.sizes.codebooks
        kinds = (
            codec.quantizer.semantic_residual_vector_quantizer,
            codec.quantizer.acoustic_residual_vector_quantizer,
        )
        projected: list[Tensor] = []  # [1, width, frames] of each kind
        with ExitStack() as hooks, _exact_convolutions():
            for kind in kinds:
                hooks.enter_context(
                    kind.input_proj.register_forward_hook(lambda *call: projected.append(call[2]))
                )
            sound = torch.from_numpy(samples).to(self._device)[None, None]
            found = codec.encode(sound, num_quantizers=codebooks).audio_codes.cpu()
        found = rearrange(found, "1 codebooks frames -> frames codebooks").clone()
        if found.shape != ours.shape:
            return found, 0
        split, ties = codec.config.num_semantic_quantizers, 0
        for kind, latents, columns in zip(
            kinds, projected, (slice(0, split), slice(split, None)), strict=False
        ):
            latents = rearrange(latents.cpu(), "1 width frames -> frames width")
            ties += _accept_ties(kind, latents, ours[:, columns], found[:, columns])
        return found, ties

    @torch.no_grad()
    def logits(self, prompt: Sequence[Words], codes: Tensor) -> Tensor:
        """Return float32 [codebooks, frames, codebook_size] for codes [frames, codebooks]."""
        model, size = self.model, self._checkpoint.sizes.codebook_size
        codes = codes.to(self._device)
        embedded = [*map(self._embed, prompt), self._embed(([], codes[:-1]))]
        inputs = torch.cat(embedded, dim=1)
        start = inputs.shape[1] - len(codes)
        hidden = model.backbone_model(inputs_embeds=inputs)
        hidden = hidden.last_hidden_state[0, start:]
        parts = []
        for first in range(0, len(codes), _AT_ONCE):
            some_hidden, some_codes = hidden[first:][:_AT_ONCE], codes[first:][:_AT_ONCE]
            begun = F.pad(some_codes[:, :-1], (1, 0))  # the first position is the hidden state's
            rest = model.depth_decoder(begun, some_hidden.clone()).logits
            both = torch.cat((model.lm_head(some_hidden)[:, None], rest), dim=1)
            parts.append(both[..., :size].float().cpu())
        return rearrange(torch.cat(parts), "frames codebooks entries -> codebooks frames entries")

    @torch.no_grad()
    def sound(self, codes: Tensor) -> Tensor:
        """Decode codes [frames, codebooks] to samples as a whole."""
        if not len(codes):
            return torch.empty(0)
        with _exact_convolutions():
            codes = rearrange(codes.to(self._device), "frames codebooks -> 1 codebooks frames")
            sound: Tensor = self.model.codec_model.decode(codes).audio_values
        return rearrange(sound.cpu(), "1 1 samples -> samples")

    @torch.no_grad()
    def convert(self, dtype: torch.dtype, device: torch.device) -> None:
        """Move the network's weights to another type and device; its codec is done with.

        Nothing but weights: frequencies of the rotary embedding stay as exact as they are.
        """
        self.model.codec_model = None
        for weight in self.model.parameters():
            weight.data = weight.data.to(dtype).to(device)
        self.model.to(device)
        self._device = device

    def _embed(self, words: Words) -> Tensor:
        """Embed to [1, positions, width]; after a clip's frames comes the one that ends it."""
        model, (tokens, codes) = self.model, words
        ids = torch.tensor([tokens], dtype=torch.long, device=self._device)
        text: Tensor = model.embed_text_tokens(ids)
        if codes is None:
            return text
        codes = codes.to(self._device)
        if tokens:
            end = model.config.codebook_eos_token_id
            codes = torch.cat((codes, torch.full_like(codes[:1], end)))
        return torch.cat((text, model.backbone_model.embed_tokens(codes[None])), dim=1)


def tokenize(checkpoint: Checkpoint, speaker: int, text: str) -> list[int]:
    """Return what transformers' tokenizer makes of a text in the checkpoint's chat template."""
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
    """Load tensors under the names that every version reads: those from before 5.21. The files are
    mapped, so that in float32 on a CPU they are the weights."""
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


def _accept_ties(kind: Any, left: Tensor, ours: Tensor, theirs: Tensor) -> int:
    """Count our codes [frames, codebooks] that are as near as theirs; `theirs` become ours there.

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
    # cuDNN would round single precision to TF32
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
