"""What of one reply need not be spoken again: its beginning, as far as it was stored."""

import secrets
from collections.abc import Sequence

from wyoming_csm.engines.base import Engine, Sentence
from wyoming_csm.engines.choice import Choice
from wyoming_csm.engines.sentence_cache import Found, SentenceCache, Stored, Wanted
from wyoming_csm.worker.protocol import Identified, Said


class Recall:
    """Finds and stores the sentences of one reply, each as what goes on from the one before.

    So a reply sounds as a whole as it did, in one tone, and a sentence that begins a reply is not
    found in the middle of another. From the first sentence on that is neither found nor stored,
    nothing is. Example: "It is cold. Snow is coming." was stored. "It is cold. Wear a coat." finds
    its first sentence; the engine is given its codes with the second, which goes on from them and
    is stored as what follows it. "Snow is coming." alone finds nothing.
    """

    def __init__(self, cache: SentenceCache | None) -> None:
        self._cache = cache
        self._left = cache.characters if cache else 0  # characters of the reply
        self._after: str | None = "" if self._left else None  # the mark before; None: no more
        self._wanted: dict[Engine, tuple[Wanted, str]] = {}  # and where to store it
        self.lookups = self.found = 0  # sentences that were looked for, and those that were there
        self._said: list[Said] = []  # found, since the engine's last sentence
        self._speaker: Engine | None = None  # of what was not found

    async def find(
        self, choices: Sequence[Choice], text: str, rate: float
    ) -> tuple[Choice, bytes] | None:
        """Return the sound of the reply's next sentence, if one of these has said it, at the rate
        that is nearest for it."""
        self._wanted = {}
        after, self._after = self._after, None
        self._left -= len(text)
        if self._cache is None or after is None or self._left < 0:
            return None
        known = [(choice, told) for choice in choices if (told := _identity_of(choice))]
        wanted = [
            Wanted(told, voice, voice.own_rate(rate), text, after) for (_, voice), told in known
        ]
        found = await self._cache.find(wanted) if wanted else Found(())
        self.lookups += bool(wanted)
        if found.stored is not None:
            self.found += 1
            self._after = found.stored.mark
            self._said.append(Said(text, found.stored.codes))
            return known[found.number][0], found.stored.sound
        for ((engine, _), _), one, key in zip(known, wanted, found.keys, strict=True):
            if key is not None:
                self._wanted[engine] = one, key
        return None

    @property
    def said(self) -> tuple[Said, ...]:
        """Return what the engine is to be told with the next sentence."""
        return tuple(self._said)

    def spoken(self, engine: Engine, sentence: Sentence, sound: bytes) -> None:
        """Note that an engine spoke the sentence that was not found, to its end."""
        self._said.clear()
        speaker = self._speaker or engine
        self._speaker = engine
        if self._cache is None or engine not in self._wanted:
            return
        wanted, key = self._wanted[engine]
        same = (wanted.identity, wanted.voice) == (engine.identity, sentence.voice)
        # From another engine it has another tone than what it follows.
        if sentence.whole and sound and same and speaker is engine:
            self._after = secrets.token_hex(8)
            self._cache.store(wanted, key, Stored(self._after, sound, sentence.codes))


def _identity_of(choice: Choice) -> Identified | None:
    """Return that of an engine of which sound need be stored."""
    told = choice[0].identity
    return told if told and told.identity else None
