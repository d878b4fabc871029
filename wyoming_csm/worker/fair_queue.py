"""The queue of sentences that wait for a slot: fair between clients, urgent first within one."""

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from wyoming_csm.errors import EngineError
from wyoming_csm.worker.protocol import Say

FIRST_SOUND_SECONDS = 1.0  # after its arrival, a sentence nothing was said before is due
PATIENCE_SECONDS = 10.0  # beyond its deadline a sentence is late: another engine may be quicker
MOST_WAITING = 64  # sentences beyond the number of slots

_REMEMBERED = 256  # clients; one that was forgotten counts as never served


class Waiting(Protocol):
    """What the queue knows of a sentence."""

    say: Say  # fairness counts by its `client`
    deadline: float  # when its listener should get the next sound, in seconds; it may move


T = TypeVar("T", bound=Waiting)


class FairQueue(Generic[T]):
    """Sentences in the order in which they are to be spoken, for one thread.

    First comes the client with the fewest sentences being spoken; among those the one that was
    served the longest ago, or never; within a client the earliest deadline, then the first that
    came. Example, one slot: `a` asks for a1, a2 and a3, then `b` for b1. They are spoken as a1,
    b1, a2, a3: after a1 no client is spoken to, and `b` was never served.
    """

    def __init__(self, most: int) -> None:
        """`most` may wait at the same time."""
        self._most = most
        self._waiting: dict[int, T] = {}  # by number, in order of arrival
        self._spoken: Counter[str] = Counter()  # sentences being spoken, by client
        self._served: OrderedDict[str, None] = OrderedDict()  # clients, the longest ago first
        self._late: set[int] = set()  # those that `late` gave
        self.empty_at: dict[int, float] = {}  # by reply: when its listener has played all it got

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, waiting: T) -> None:
        """Let a sentence wait. Raises EngineError if too many do."""
        if len(self._waiting) >= self._most:
            raise EngineError(f"{len(self._waiting)} sentences wait already")
        self._waiting[waiting.say.sentence] = waiting

    def remove(self, sentence: int) -> T | None:
        """Take a sentence out that is not to be spoken; None if it does not wait."""
        self._late.discard(sentence)
        return self._waiting.pop(sentence, None)

    def pop(self, may: Callable[[T], bool] = lambda _: True) -> T | None:
        """Take out the next sentence that may begin now; None if none may. It is being spoken
        until `ended`. One that may not, as its voice is not prepared, delays no other."""
        found = next(filter(may, self._in_order()), None)
        if found is not None:
            self.remove(found.say.sentence)
            self._serve(found.say.client)
        return found

    def ended(self, client: str) -> None:
        """Note that a sentence of this client is not being spoken any more."""
        self._spoken -= Counter([client])

    def first_deadline(self, reply: int, now: float) -> float:
        """Return when the first sound of a sentence of this reply is due, if it arrives now."""
        return max(now, self.empty_at.get(reply, now + FIRST_SOUND_SECONDS))

    def sounded(self, reply: int, seconds: float, now: float) -> float:
        """Note that so much sound was sent, and return when a listener has played it: one whose
        buffer had run empty plays on from now."""
        self.empty_at[reply] = max(now, self.empty_at.get(reply, now)) + seconds
        return self.empty_at[reply]

    def end_reply(self, reply: int) -> None:
        """Forget a reply's listener."""
        self.empty_at.pop(reply, None)

    def late(self, now: float, may: Callable[[T], bool] = lambda _: True) -> list[T]:
        """Return those that may begin, and should PATIENCE_SECONDS ago; each of them once."""
        found = [
            one
            for number, one in self._waiting.items()
            if number not in self._late and may(one) and now > one.deadline + PATIENCE_SECONDS
        ]
        self._late.update(one.say.sentence for one in found)
        return found

    def _in_order(self) -> list[T]:
        rank = {client: number for number, client in enumerate(self._served)}

        def order(one: T) -> tuple[int, int, float]:
            client = one.say.client
            return self._spoken[client], rank.get(client, -1), one.deadline

        return sorted(self._waiting.values(), key=order)  # stable: the first that came first

    def _serve(self, client: str) -> None:
        self._spoken[client] += 1
        self._served[client] = None
        self._served.move_to_end(client)
        if len(self._served) > _REMEMBERED:
            self._served.popitem(last=False)
