"""What each reply has said so far: the context of its next sentence."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from wyoming_csm.model.prefix_cache import PrefixCache
from wyoming_csm.worker.csm.endings import FRAMES_PER_SECOND


@dataclass
class _Reply:
    said: list[Tensor] = field(default_factory=list)  # the rows of each sentence
    lengths: list[int] = field(default_factory=list)  # its frames
    parked: Tensor | None = None  # the rows its last sentence left, kept for the next one


class Replies:
    """By number, from their first sentence until they end."""

    def __init__(self, kept: PrefixCache, seconds: float) -> None:
        """Of what was said, the newest `seconds` are remembered."""
        self._kept = kept
        self._most = seconds * FRAMES_PER_SECOND
        self._replies: dict[int, _Reply] = {}

    def said(self, reply: int) -> Sequence[Tensor]:
        """The rows of its sentences so far, the oldest first."""
        return self._replies.setdefault(reply, _Reply()).said

    def add(self, reply: int, prompt: Tensor, text: int, frames: Tensor) -> Tensor | None:
        """A sentence was spoken: `prompt` ends with its text's rows, `text` of them, and `frames`
        [n + 1, codebooks + 1] follow, the last of which is the end.

        Returns the rows heard up to there if the reply's next prompt begins with them: worth
        keeping until then. What was kept of the reply before is given back.
        """
        known = self._replies.get(reply)
        if known is None:  # it ended meanwhile
            return None
        self._unpark(known)
        heard = torch.cat((prompt, frames))
        known.said.append(heard[len(prompt) - text :])
        known.lengths.append(len(frames) - 1)
        if not self._forget_old(known):
            known.parked = heard
        return known.parked

    def end(self, reply: int) -> None:
        """Forget it."""
        known = self._replies.pop(reply, None)
        if known is not None:
            self._unpark(known)

    def _unpark(self, reply: _Reply) -> None:
        if reply.parked is not None:
            self._kept.drop(reply.parked)
            reply.parked = None

    def _forget_old(self, reply: _Reply) -> bool:
        """Whether more was said than is remembered.

        Then only the newest half of that stays: were as little as possible forgotten, every
        sentence from there on would change the beginning of its prompt, and hear all of it anew.
        """
        if sum(reply.lengths) <= self._most:
            return False
        kept, frames = 0, 0
        for length in reversed(reply.lengths):
            frames += length
            if frames > (self._most / 2 if kept else self._most):
                break
            kept += 1
        forgotten = len(reply.said) - kept
        del reply.said[:forgotten], reply.lengths[:forgotten]
        return True
