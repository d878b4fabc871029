"""Text and what was already said become the backbone's prompt, as much of it as fits a slot."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from wyoming_csm.errors import CheckpointError, PromptTooLong
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.config import CsmSizes
from wyoming_csm.model.csm import ABSENT

# A bracket that, after more brackets or spaces, opens a number: it could pass for a speaker's tag.
_TAG = re.compile(r"\[(?=[\[\s]*\d)")


@dataclass(frozen=True)
class Segment:
    """What was said by whom, and its sound as codes [frames, codebooks].

    A reference clip and a sentence just spoken are the same thing. Without codes it is the
    text that is to be spoken.
    """

    speaker: int
    text: str
    codes: Tensor | None = None


class TextTokenizer:
    """The checkpoint's tokenizer, from which text can get nothing but text."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Read `tokenizer.json`. Raises CheckpointError."""
        self._tokenizer = _load(checkpoint.folder / "tokenizer.json")
        # "<|end_of_text|>" in the text is then read as those characters, not as the token.
        self._tokenizer.encode_special_tokens = True
        named = checkpoint.tokenizer_config
        self._begin = self._special(named.get("bos_token"), "<|begin_of_text|>")
        self._end = self._special(named.get("eos_token"), "<|end_of_text|>")
        added = self._tokenizer.get_added_tokens_decoder()
        config = checkpoint.config
        self._control = {id for id, token in added.items() if token.special} | {
            self._begin,
            self._end,
            config.get("audio_token_id"),
            config.get("audio_eos_token_id"),
        }
        largest = max(self._tokenizer.get_vocab(with_added_tokens=True).values())
        if largest >= checkpoint.sizes.text_vocabulary:
            raise CheckpointError(
                f"tokenizer.json holds token {largest}, config.json's text_vocab_size is"
                f" {checkpoint.sizes.text_vocabulary}: they belong to different checkpoints"
            )

    def encode(self, speaker: int, text: str) -> list[int]:
        """Return `BOS [speaker]text EOS`, as the chat template of csm-1b and its tokenizer do."""
        clean = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text
        tagged = f"[{speaker}]{_TAG.sub('', clean)}"
        ids = self._tokenizer.encode(tagged, add_special_tokens=False).ids
        # Tokens a checkpoint added without calling them special are still found in text.
        return [self._begin, *(id for id in ids if id not in self._control), self._end]

    def _special(self, named: object, usual: str) -> int:
        token = named.get("content") if isinstance(named, dict) else named
        id = self._tokenizer.token_to_id(token if isinstance(token, str) else usual)
        if id is None:
            raise CheckpointError(f"tokenizer.json has no token {token or usual!r}")
        return id


class PromptBuilder:
    """Segments become tokens [positions, codebooks + 1]: a frame's codes, then the text column.

    A position is a text token (its codes are ABSENT) or a frame (its text is ABSENT).
    """

    def __init__(
        self, tokenizer: TextTokenizer, sizes: CsmSizes, positions: int | None = None
    ) -> None:
        """A slot has `positions`, by default as many as the model."""
        self._tokenizer = tokenizer
        self._sizes = sizes
        self._positions = positions or sizes.backbone.positions

    @property
    def codebooks(self) -> int:
        """Return how many codes a frame has."""
        return self._sizes.codebooks

    @classmethod
    def of(cls, checkpoint: Checkpoint, positions: int | None = None) -> "PromptBuilder":
        """Build prompts with the checkpoint's own tokenizer. Raises CheckpointError."""
        return cls(TextTokenizer(checkpoint), checkpoint.sizes, positions)

    def build(self, segments: Sequence[Segment], speaker: int, text: str) -> Tensor:
        """Return what was said, then the text to speak: int64 tokens on the CPU."""
        return self.join(self.segment(s) for s in (*segments, Segment(speaker, text)))

    def join(self, segments: Iterable[Tensor]) -> Tensor:
        """Return the tokens of several segments, or of none."""
        width = self._sizes.codebooks + 1
        return torch.cat([torch.empty(0, width, dtype=torch.long), *segments])

    def segment(self, segment: Segment) -> Tensor:
        """Return one segment's tokens: its words, and its frames if it was said."""
        tokens = torch.tensor(self._tokenizer.encode(segment.speaker, segment.text))
        text = torch.full((len(tokens), self._sizes.codebooks + 1), ABSENT)
        text[:, -1] = tokens
        return text if segment.codes is None else torch.cat((text, self.frames(segment.codes)))

    def frames(self, codes: Tensor) -> Tensor:
        """Return tokens [frames + 1, codebooks + 1] of codes [frames, codebooks] and an end."""
        codes = codes.to("cpu", torch.long)
        self._check(codes)
        tokens = torch.zeros(len(codes) + 1, codes.shape[1] + 1, dtype=torch.long)
        tokens[:-1, :-1] = codes
        tokens[:, -1] = ABSENT
        return tokens

    def room(self, voice: Tensor, text: Tensor) -> int:
        """Return the positions that a voice and the text to speak leave; may be negative."""
        return self._positions - len(voice) - len(text)

    def fit(self, voice: Tensor, said: Sequence[Tensor], text: Tensor, frames: int) -> Tensor:
        """Join a voice, the newest of what was said, and the text to speak, with room for `frames`.

        Raises PromptTooLong if voice and text alone leave too little.
        """
        room = self.room(voice, text) - frames
        if room < 0:
            raise PromptTooLong(
                f"the voice's clip, the sentence and {frames} frames to speak take"
                f" {self._positions - room} positions of {self._positions}:"
                " use a shorter clip or shorter sentences"
            )
        oldest = len(said)
        while oldest and len(said[oldest - 1]) <= room:
            oldest -= 1
            room -= len(said[oldest])
        return torch.cat((voice, *said[oldest:], text))

    def _check(self, codes: Tensor) -> None:
        """Raise ValueError: a code beyond the table would end a CUDA context, not one sentence."""
        if codes.ndim != 2 or codes.shape[1] != self._sizes.codebooks:
            raise ValueError(f"codes must be [frames, {self._sizes.codebooks}], not {codes.shape}")
        if codes.numel() and not 0 <= codes.min() <= codes.max() < self._sizes.codebook_size:
            raise ValueError(f"codes must be from 0 to {self._sizes.codebook_size - 1}")


def _load(path: Path) -> Tokenizer:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise CheckpointError(f"{path} cannot be read: {error}") from error
