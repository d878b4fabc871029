"""transformers' own CSM, as the truth to compare with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import CsmForConditionalGeneration

from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.prompt import Segment, TextTokenizer


@dataclass(frozen=True)
class Clip:
    """A voice's recording [samples] and its words."""

    speaker: int
    text: str
    samples: Tensor


@dataclass(frozen=True)
class Request:
    """What to speak, after which clips."""

    speaker: int
    text: str
    clips: tuple[Clip, ...] = ()


class Oracle:
    """The checkpoint as transformers loads it: encodes the clips and generates by itself."""

    def __init__(self, folder: Path) -> None:
        made_of: Any = CsmForConditionalGeneration
        self.model = made_of.from_pretrained(folder).eval()
        self.checkpoint = Checkpoint(folder)
        self.tokenizer = TextTokenizer(self.checkpoint)

    @torch.no_grad()
    def encode(self, clip: Clip) -> Segment:
        """The clip as a segment of ours: transformers' codes."""
        codes = self.model.codec_model.encode(clip.samples[None, None]).audio_codes  # [1, q, n]
        return Segment(clip.speaker, clip.text, codes[0].T)

    @torch.no_grad()
    def generate(self, requests: Sequence[Request], frames: int) -> Tensor:
        """Greedy codes [requests, frames, codebooks], as a left-padded batch.

        transformers does not know that the codec has fewer entries than the vocabulary.
        """
        sizes = self.checkpoint.sizes
        beyond = list(range(sizes.codebook_size, sizes.audio_vocabulary)) or None
        codes: Tensor = self.model.generate(
            **self._inputs(requests),
            max_new_tokens=frames,
            do_sample=False,
            depth_decoder_do_sample=False,
            suppress_tokens=beyond,
            depth_decoder_suppress_tokens=beyond,
        )
        return codes

    @torch.no_grad()
    def embedded(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """What the backbone is given for the processor's inputs [1, positions, width]."""
        given: dict[str, Tensor] = {}
        hook = self.model.backbone_model.register_forward_pre_hook(
            lambda module, args, named: given.update(named), with_kwargs=True
        )
        with hook:
            self.model(**inputs)
        return given["inputs_embeds"]

    def _inputs(self, requests: Sequence[Request]) -> dict[str, Tensor]:
        tokens = [self._ids(request) for request in requests]
        length = max(map(len, tokens))
        inputs = {
            "input_ids": torch.tensor([[0] * (length - len(ids)) + ids for ids in tokens]),
            "attention_mask": torch.tensor(
                [[0] * (length - len(ids)) + [1] * len(ids) for ids in tokens]
            ),
        }
        most = max(len(request.clips) for request in requests)
        if most:
            sounds = [[clip.samples for clip in request.clips] for request in requests]
            joined = [torch.cat(s) if s else torch.zeros(0) for s in sounds]
            inputs["input_values"] = torch.nn.utils.rnn.pad_sequence(joined, True)[:, None]
            inputs["input_values_cutoffs"] = torch.tensor(
                [
                    [sum(map(len, s[: i + 1])) if i < len(s) else -1 for i in range(most)]
                    for s in sounds
                ]
            )
        return inputs

    def _ids(self, request: Request) -> list[int]:
        config = self.checkpoint.config
        ids: list[int] = []
        for clip in request.clips:
            segment = self.encode(clip)
            assert segment.codes is not None
            ids += self.tokenizer.encode(clip.speaker, clip.text)
            ids += [config["audio_token_id"]] * len(segment.codes) + [config["audio_eos_token_id"]]
        return ids + self.tokenizer.encode(request.speaker, request.text)


def make_clip(seed: int, frames: int, text: str, speaker: int = 0) -> Clip:
    """Noise with a slow beat, `frames` frames long."""
    generator = torch.Generator().manual_seed(seed)
    beat = torch.sin(torch.arange(frames * 1920) / (300.0 + 40 * seed))
    return Clip(speaker, text, 0.3 * beat * torch.randn(frames * 1920, generator=generator))
