"""Turns: never more than there are slots, fair between addresses, nothing leaks."""

import asyncio

from tests.fakes import FakeEngine
from wyoming_csm.server.turns import Queues, Turns


class Crowd:
    """Speakers that note when they got their turn and give it back when told."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.served: list[str] = []
        self.go_on = asyncio.Semaphore(0)
        self.tasks: list[asyncio.Task[None]] = []

    def add(self, address: str, times: int = 1) -> asyncio.Task[None]:
        async def speak() -> None:
            for _ in range(times):
                async with self.turns.take(address):
                    self.served.append(address)
                    await self.go_on.acquire()

        self.tasks.append(asyncio.create_task(speak()))
        return self.tasks[-1]

    async def run(self, turns: int) -> str:
        """Let so many end; returns all that were served, in order."""
        for _ in range(turns):
            await settle()
            self.go_on.release()
        await settle()
        return "".join(self.served)

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_than_there_are_slots() -> None:
    crowd = Crowd(Turns(lambda: 2))
    for _ in range(5):
        crowd.add("a")
    assert await crowd.run(0) == "aa"
    assert await crowd.run(1) == "aaa"
    assert crowd.turns.waiting == 2
    await crowd.end()


async def test_one_speaker_of_b_is_served_as_often_as_all_of_a() -> None:
    crowd = Crowd(Turns(lambda: 1))
    for _ in range(20):
        crowd.add("a")
    crowd.add("b", times=5)
    served = await crowd.run(10)
    assert served == "ab" * 5 + "a"
    await crowd.end()


async def test_who_holds_fewer_slots_comes_first() -> None:
    crowd = Crowd(Turns(lambda: 4))
    for _ in range(6):
        crowd.add("a")
    await settle()
    crowd.add("b")
    crowd.add("b")
    assert await crowd.run(2) == "aaaabb"
    await crowd.end()


async def test_first_come_first_served_within_an_address() -> None:
    turns, order = Turns(lambda: 1), []

    async def speak(number: int) -> None:
        async with turns.take("a"):
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*map(speak, range(8)))
    assert order == list(range(8))


async def test_who_is_cancelled_while_waiting_is_gone() -> None:
    crowd = Crowd(Turns(lambda: 1))
    crowd.add("a")
    gone = crowd.add("b")
    crowd.add("c")
    await settle()
    gone.cancel()
    assert await crowd.run(1) == "ac"
    assert crowd.turns.waiting == 0
    await crowd.end()


async def test_cancelled_in_the_moment_of_being_served_leaks_no_slot() -> None:
    crowd = Crowd(Turns(lambda: 1))
    crowd.add("a")
    unlucky = crowd.add("b")
    crowd.add("c")
    await settle()
    crowd.tasks[0].cancel()
    await asyncio.sleep(0)  # the turn is b's now, but b has not run yet
    unlucky.cancel()
    assert await crowd.run(0) == "ac"
    await crowd.end()


async def test_who_speaks_and_who_waits_cancelled_in_one_moment_leak_no_slot() -> None:
    crowd = Crowd(Turns(lambda: 1))
    for address in "abc":
        crowd.add(address)
    await settle()
    crowd.tasks[0].cancel()
    crowd.tasks[1].cancel()  # its future is cancelled now, its task runs only after a's release
    assert await crowd.run(0) == "ac"
    assert crowd.turns.waiting == 0
    outcomes = await asyncio.gather(*crowd.tasks[:2], return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2
    await crowd.end()


async def test_new_slots_are_given_out_when_told() -> None:
    slots = 1
    crowd = Crowd(Turns(lambda: slots))
    for _ in range(3):
        crowd.add("a")
    assert await crowd.run(0) == "a"
    slots = 3
    crowd.turns.wake()
    assert await crowd.run(0) == "aaa"
    await crowd.end()


async def test_each_engine_has_its_own() -> None:
    queues, csm, system = Queues(), FakeEngine("csm", slots=1), FakeEngine("system", slots=1)
    crowd = Crowd(queues.of(csm))
    crowd.add("a")
    crowd.add("b")
    await settle()
    assert queues.waiting == 1
    async with asyncio.timeout(5), queues.of(system).take("c"):
        csm.slots = 2
        queues.wake()
        await settle()
        assert queues.waiting == 0
    await crowd.end()
