"""What each reply has said so far: the context of its next sentence."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from wyoming_csm.model.prefix_cache import PrefixCache
from wyoming_csm.worker.csm.cost import FRAMES_PER_SECOND


@dataclass
class _Reply:
    said: list[Tensor] = field(default_factory=list)  # each sentence's text and frames, as tokens
    lengths: list[int] = field(default_factory=list)  # its frames
    parked: Tensor | None = None  # the tokens whose KV is cached for the next sentence


class Replies:
    """Replies by number, from their first sentence until they end.

    Between two sentences a reply has no slot; its KV is parked in the cache of prefixes. As an
    example: a voice's prompt takes 300 positions, the first sentence's text 20 and its frames 50,
    with the end 51. When it was spoken, all 371 are cached, and the voice's 300 are since before.
    The prompt of the second sentence are these 371 and its text of 15: 15 positions are to be
    read. When it was spoken, 371 + 15 + its frames are cached, and the 371 are dropped. Another
    reply with this voice finds the 300 at least.
    """

    def __init__(self, cache: PrefixCache, seconds: float) -> None:
        """Remember the newest `seconds` of what was said."""
        self._cache = cache
        self._most = seconds * FRAMES_PER_SECOND
        self._replies: dict[int, _Reply] = {}

    def said(self, reply: int) -> Sequence[Tensor]:
        """Return the tokens of its sentences so far, the oldest first."""
        return self._replies.setdefault(reply, _Reply()).said

    def hear(self, reply: int, tokens: Tensor, frames: int) -> None:
        """Remember a sentence that was not spoken here: its text and `frames` frames, as tokens."""
        known = self._replies.setdefault(reply, _Reply())
        known.said.append(tokens)
        known.lengths.append(frames)
        if self._forget_old(known):
            self._unpark(known)

    def add(self, reply: int, prompt: Tensor, text: int, frames: Tensor) -> Tensor | None:
        """Remember a sentence: the last `text` positions of `prompt` are its text, and `frames`
        [n + 1, codebooks + 1] follow, the last of which is the end.

        What was parked of the reply is dropped. Return the tokens up to here if the reply's next
        prompt begins with them, so that their KV is worth caching until then.
        """
        known = self._replies.get(reply)
        if known is None:  # it ended meanwhile
            return None
        self._unpark(known)
        whole = torch.cat((prompt, frames))
        known.said.append(whole[len(prompt) - text :])
        known.lengths.append(len(frames) - 1)
        if not self._forget_old(known):
            known.parked = whole
        return known.parked

    def end(self, reply: int) -> None:
        """Forget a reply."""
        if (known := self._replies.pop(reply, None)) is not None:
            self._unpark(known)

    def _unpark(self, reply: _Reply) -> None:
        if reply.parked is not None:
            self._cache.drop(reply.parked)
            reply.parked = None

    def _forget_old(self, reply: _Reply) -> bool:
        """Return whether more was said than is remembered.

        Then only the newest half of that stays: were as little as possible forgotten, every
        sentence from there on would change the beginning of its prompt, and nothing behind the
        voice would be found in the cache. As an example: 20 s are remembered, and sentences take
        5 s. The fifth is one too many: two stay, 10 s, and for two more sentences nothing
        changes.
        """
        if sum(reply.lengths) <= self._most:
            return False
        count, frames = 0, 0
        for length in reversed(reply.lengths):
            frames += length
            if frames > (self._most / 2 if count else self._most):
                break
            count += 1
        forgotten = len(reply.said) - count
        del reply.said[:forgotten], reply.lengths[:forgotten]
        return True
