"""What each reply has said so far: the context of its next sentence."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from wyoming_csm.model.prefix_cache import PrefixCache
from wyoming_csm.worker.csm.conversation import Conversations, Key, key_of
from wyoming_csm.worker.csm.cost import FRAMES_PER_SECOND
from wyoming_csm.worker.protocol import Say


class Context(NamedTuple):
    """Tokens of sentences, the oldest first: of replies before, and of the reply itself."""

    before: Sequence[Tensor]
    said: Sequence[Tensor]


@dataclass
class _Reply:
    key: Key
    voice: Tensor  # the prompt that it began with
    most: int  # positions that the replies before may take
    before: Sequence[Tensor]  # they stay the same until it ends
    unfinished: int = 0  # sentences that were begun, and not spoken to their end
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
    With a conversation the 371 stay when the reply ends: the voice's next one begins with them.
    """

    def __init__(self, cache: PrefixCache, seconds: float, conversations: Conversations) -> None:
        """Remember the newest `seconds` of what was said."""
        self._cache = cache
        self._conversations = conversations
        self._most = seconds * FRAMES_PER_SECOND
        self._replies: dict[int, _Reply] = {}

    def begin(self, say: Say, voice: Tensor, most: int) -> None:
        """Begin a sentence with this voice's prompt; replies before take `most` positions."""
        known = self._replies.get(say.reply)
        if known is None:
            key = key_of(say)
            before = self._conversations.before(key, voice, most)
            parked = torch.cat((voice, *before)) if before else None
            self._conversations.note_ready(key, parked)
            known = _Reply(key, voice, most, before, parked=parked)
            self._replies[say.reply] = known
        known.unfinished += 1

    def context(self, reply: int) -> Context:
        """Return what the sentence that was begun comes after."""
        known = self._replies[reply]
        return Context(known.before, tuple(known.said))

    def recall(self, reply: int, tokens: Tensor, frames: int) -> None:
        """Remember a sentence that was not spoken here: its text and `frames` frames, as tokens."""
        known = self._replies[reply]
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
        known.unfinished -= 1
        self._unpark(known)
        whole = torch.cat((prompt, frames))
        known.said.append(whole[len(prompt) - text :])
        known.lengths.append(len(frames) - 1)
        if not self._forget_old(known):
            known.parked = whole
        return known.parked

    def end(self, reply: int) -> Tensor | None:
        """Forget a reply, or make it a turn of its conversation if each of its sentences was
        spoken to its end.

        Return what the prompt of the next one begins with, if that is more than the voice.
        """
        if (known := self._replies.pop(reply, None)) is None:
            return None
        if not known.unfinished:
            self._conversations.add(known.key, known.voice, known.said)
        before = self._conversations.before(known.key, known.voice, known.most)
        following = torch.cat((known.voice, *before)) if before else None
        self._conversations.note_ready(known.key, following)
        if following is None or known.parked is None or not torch.equal(known.parked, following):
            self._unpark(known)
        return following

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
