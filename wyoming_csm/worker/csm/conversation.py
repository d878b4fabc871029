"""What a voice said to a client lately: whole replies, which are context of its next one there."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from wyoming_csm.config import ConversationConfig
from wyoming_csm.model.prefix_cache import PrefixCache
from wyoming_csm.voices import Manner
from wyoming_csm.worker.protocol import Say

_MOST_CONVERSATIONS = 32


class Key(NamedTuple):
    """A voice and whom it speaks to, by address: Home Assistant is one for all its satellites."""

    client: str
    voice: str  # its name
    manner: Manner  # a preset is a voice of its own


def key_of(say: Say) -> Key:
    """Return the conversation that a sentence belongs to."""
    return Key(say.client, say.voice.name, say.voice.manner)


class _Turn(NamedTuple):
    said: Sequence[Tensor]  # its sentences' text and frames, as tokens
    ended: float


@dataclass
class _Conversation:
    voice: Tensor  # its prompt: with another one it would drag the old voice along
    turns: deque[_Turn]  # the newest last
    ready: Tensor | None = None  # the beginning of its next prompt, whose KV is cached or to be


class Conversations:
    """The last turns of each conversation, as many and as old as is configured.

    What was dropped is gone: a conversation of other turns begins another way, and of its prompt
    only the voice is cached. So what comes next is known, and can be read, when a reply ends.
    """

    def __init__(
        self,
        config: ConversationConfig,
        cache: PrefixCache,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._cache = cache
        self._clock = clock
        self._known: OrderedDict[Key, _Conversation] = OrderedDict()  # that with the newest last

    def before(self, key: Key, voice: Tensor, most: int) -> list[Tensor]:
        """Return the sentences that a reply with this voice's prompt comes after, the oldest
        first, in at most so many positions."""
        self._forget_old()
        known = self._known.get(key)
        if known is not None and not torch.equal(known.voice, voice):
            self._forget(key)
            known = None
        if known is None:
            return []
        chosen: list[Tensor] = []
        for turn in reversed(known.turns):
            most -= sum(map(len, turn.said))
            if most < 0:
                break
            chosen[:0] = turn.said
        return chosen

    def add(self, key: Key, voice: Tensor, said: Sequence[Tensor]) -> None:
        """Remember a reply that was spoken to its end."""
        if not (self._config.turns and said):
            return
        known = self._known.get(key)
        if known is None or not torch.equal(known.voice, voice):
            self._forget(key)
            known = _Conversation(voice, deque(maxlen=self._config.turns))
        known.turns.append(_Turn(tuple(said), self._clock()))
        self._known[key] = known
        self._known.move_to_end(key)
        if len(self._known) > _MOST_CONVERSATIONS:
            self._forget(next(iter(self._known)))

    def note_ready(self, key: Key, tokens: Tensor | None) -> None:
        """Note what the next prompt begins with; what it was before is no longer cached."""
        if (known := self._known.get(key)) is None:
            return
        if known.ready is not None and (tokens is None or not torch.equal(known.ready, tokens)):
            self._cache.drop(known.ready)
        known.ready = tokens

    def _forget_old(self) -> None:
        oldest = self._clock() - self._config.seconds
        for key, known in list(self._known.items()):
            while known.turns and known.turns[0].ended < oldest:
                known.turns.popleft()
            if not known.turns:
                self._forget(key)

    def _forget(self, key: Key) -> None:
        known = self._known.pop(key, None)
        if known is not None and known.ready is not None:
            self._cache.drop(known.ready)
