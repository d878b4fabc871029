"""Who listens: sentences that wait, those that have a slot, and when each listener runs dry.

A listener is a reply's: it hears 80 ms a frame from the moment the first one was sent.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from wyoming_csm.worker.csm.cost import FRAME_SECONDS
from wyoming_csm.worker.protocol import Say

FIRST_SOUND_SECONDS = 1.0  # after its arrival a sentence is as urgent as a listener run dry
PLACE_SECONDS = 0.1  # a reply's place is kept for its next sentence, which takes milliseconds


@dataclass(eq=False)
class Sentence:
    """One request, from its arrival to its last frame."""

    say: Say
    since: float  # when it could have begun
    placed: bool = False  # it has the place of its reply's sentence before
    left: int = 0  # positions of its prompt that it has to hear
    advanced: float = 0.0  # when it last heard a piece of its prompt
    speaks: bool = False  # its prompt is heard
    flights: "deque[Flight]" = field(default_factory=deque)  # its frames under way


@dataclass(eq=False)
class Flight:
    """Frames that were launched together and are not collected."""

    sentences: dict[int, Sentence]  # by slot
    start: float
    lands: float  # expected
    pure: bool  # no prefill came before it


class Audience:
    """Sentences by where they are. Times are those of the loop's clock."""

    def __init__(self, slots: int) -> None:
        self.waiting: dict[int, Sentence] = {}  # by request
        self.taken: dict[int, Sentence] = {}  # by slot, in order of admission
        self._slots = slots
        self._free = list(reversed(range(slots)))
        self._dry: dict[int, float] = {}  # by reply: when its listener has heard all
        self._kept: dict[int, float] = {}  # by reply: until when its place is

    def ask(self, say: Say, now: float) -> None:
        """A sentence waits."""
        placed = self._kept.pop(say.reply, None) is not None
        self.waiting[say.request] = Sentence(say, now, placed)

    def has_room(self, sentence: Sentence, fits: Callable[[int], bool]) -> bool:
        """Whether a waiting sentence may take a slot; `fits`: whether so many can be kept."""
        if not self._free or sentence.placed:
            return bool(self._free)
        if not all(other.speaks for other in self.taken.values()):
            return False  # one newcomer after the other: the prompt of each takes from all
        promised = len(self._kept) + sum(other.placed for other in self.waiting.values())
        places = len(self.taken) + promised + 1
        return places <= self._slots and fits(places)

    @property
    def next_slot(self) -> int:
        """Free, and the next to be taken."""
        return self._free[-1]

    def admit(self, sentence: Sentence, now: float) -> None:
        """It takes `next_slot`."""
        del self.waiting[sentence.say.request]
        sentence.advanced = now
        self.taken[self._free.pop()] = sentence

    def leave(self, slot: int) -> None:
        """The slot is free."""
        del self.taken[slot]
        self._free.append(slot)

    def slot_of(self, request: int) -> int | None:
        """None if it has none."""
        slots = (slot for slot, one in self.taken.items() if one.say.request == request)
        return next(slots, None)

    def heard(self, reply: int, now: float) -> None:
        """A frame was sent; who had run dry hears on from now."""
        self._dry[reply] = max(now, self._dry.get(reply, 0.0)) + FRAME_SECONDS

    def keep_place(self, reply: int, now: float) -> None:
        """A sentence was spoken to its end: the reply's next is expected."""
        self._kept[reply] = now + PLACE_SECONDS

    def next_place(self, now: float) -> float | None:
        """Seconds until a place that was kept is free; those that are, are."""
        self._kept = {reply: until for reply, until in self._kept.items() if until > now}
        return min(self._kept.values()) - now if self._kept else None

    def end(self, reply: int) -> None:
        """Nobody listens to this reply any more."""
        self._dry.pop(reply, None)
        self._kept.pop(reply, None)

    def due(self, sentence: Sentence) -> float:
        """When its listener runs dry if nothing more is launched; for one that heard nothing yet,
        when it should."""
        dry = self._dry.get(sentence.say.reply)
        if sentence.flights:
            before = (dry or 0.0) + FRAME_SECONDS * (len(sentence.flights) - 1)
            return max(sentence.flights[-1].lands, before) + FRAME_SECONDS
        if dry is None:
            return sentence.since + FIRST_SOUND_SECONDS
        return max(dry, sentence.since)

    def by_due(self, sentences: Iterable[Sentence]) -> list[Sentence]:
        """The most urgent first."""
        return sorted(sentences, key=self.due)
