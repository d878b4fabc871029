"""Several GPUs as one engine: a child on each, a reply goes to the least busy and stays there."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from wyoming_csm.engines.base import Engine, Phase, Status
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.reply import Changes, SteadyReply, is_ready, why
from wyoming_csm.errors import EngineError
from wyoming_csm.voices import Voice


class Pool:
    """An `Engine` over children of one kind and the same voices, at least one. What one finds out
    about a recorded voice holds for all.

    Each sleeps by itself: a GPU whose work the others do is given back. The first is woken by a
    request when all sleep, the next when those awake have no slot left.
    """

    def __init__(self, name: str, members: Sequence[ChildEngine]) -> None:
        self._name = name
        self._members = tuple(members)
        self._changes = Changes()
        self.subscribe(self._changes.happened)

    @property
    def name(self) -> str:
        return self._name

    @property
    def status(self) -> Status:
        """Of the best; as long as none of them speaks, why each does not."""
        best = min((one.status.phase for one in self._members), key=list(Phase).index)
        if best.is_healthy:
            those = [one.status.detail for one in self._members if one.status.phase is best]
            return Status(best, "; ".join(dict.fromkeys(those)))
        return Status(best, self._whys({}))

    @property
    def slots(self) -> int:
        """Of all that are ready."""
        return sum(one.slots for one in self._members if is_ready(one)) or self._members[0].slots

    @property
    def voices(self) -> tuple[Voice, ...]:
        return self._members[0].voices

    def voice_for(self, voice: Voice) -> Voice | None:
        return self._members[0].voice_for(voice)

    def start_reply(self, voice: Voice) -> SteadyReply:
        return SteadyReply(self, voice)

    def subscribe(self, changed: Callable[[], None]) -> None:
        for one in self._members:
            one.subscribe(changed)

    def changed(self) -> None:
        """`voices` would give others now."""
        for one in self._members:
            one.changed()

    async def wait_settled(self) -> None:
        """Until one is ready, or none can be soon."""
        while not self.status.phase.is_settled:
            await self._changes.next()

    def wake(self) -> None:
        """The first of them."""
        if self.status.phase is Phase.ASLEEP:
            self._wake_one()

    def _wake_one(self) -> None:
        asleep = (one for one in self._members if one.status.phase is Phase.ASLEEP)
        if (first := next(asleep, None)) is not None:
            first.wake()

    def hurry(self) -> None:
        for one in self._members:
            one.hurry()

    async def start(self) -> None:
        for one in self._members:
            await one.start()

    async def stop(self) -> None:
        await asyncio.gather(*(one.stop() for one in self._members))

    # -- for the replies

    async def choose(
        self,
        voice: Voice,
        failed: Mapping[Engine, str],
        before: Engine | None,
        lost: Collection[Engine] = (),
    ) -> tuple[Engine, Voice]:
        """The least busy that is ready: for its slots it has the fewest replies. Waits for
        nobody."""
        ready = [one for one in self._members if is_ready(one) and one not in failed]
        if not ready:
            self._wake_one()  # for the next reply: who speaks this one is not ours to say
            raise EngineError(self._whys(failed))
        if sum(one.replies for one in ready) + 1 >= sum(one.slots for one in ready):
            self._wake_one()  # before it is needed
        return min(ready, key=lambda one: one.replies / one.slots), voice

    def _whys(self, failed: Mapping[Engine, str]) -> str:
        return "; ".join(f"{one.name}: {failed.get(one) or why(one)}" for one in self._members)
