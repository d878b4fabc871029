"""Callers of a Wyoming server: when they ask, and what each gets and when.

A caller has an address of its own (127.0.1.0 and after it, which Linux has without being told), as
the rooms of a house have. It opens a connection for each text, as Home Assistant does.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

# 12 to 119 characters: one sentence each, as a house says them.
TEXTS = (
    "The front door is open.",
    "Good morning.",
    "It is half past seven, and the outside temperature is four degrees.",
    "The washing machine is done.",
    "The light in the kitchen is on.",
    "There is one new message for you, and two of them are for the children.",
    "The lamp in the hall was turned off ten minutes ago.",
    "Your timer for the pasta is over.",
    "The garage has been open for more than twenty minutes, and nobody seems to be at home now.",
    "I could not find a device with that name in the living room.",
    "The next bus to the station leaves in six minutes, and the one after that in a quarter of"
    " an hour, if it is on time.",
    "The blinds are down.",
    "Somebody is ringing at the garden gate.",
)
_CONNECT_SECONDS = 10.0
_BURST_EVERY = 10  # seconds
_BYTES_A_SECOND = 48_000  # 24 kHz, 16 bits
_LIMIT = 256 * 1024  # of a JSON line

# Gives the address that a caller of this number asks.
Target = Callable[[int], tuple[str, int]]


@dataclass(frozen=True)
class Pattern:
    """Who asks when: `callers` that wait on average `think` seconds after a reply, or, with a
    `rate`, so many new ones each second; a caller's time of waiting is exponential. With a rate so
    many more of a `burst` ask in one second of ten. A text has so many `sentences`."""

    callers: int = 200
    think: float = 40.0
    rate: float = 0.0
    seed: int = 1
    sentences: int = 1
    burst: int = 0

    def text(self, chance: random.Random) -> str:
        return " ".join(chance.choice(TEXTS) for _ in range(self.sentences))

    def moments(self, seconds: float, chance: random.Random) -> list[float]:
        """Return when those of a `rate` ask within so many seconds."""
        bursts = [
            begin + chance.random()
            for begin in range(_BURST_EVERY, int(seconds), _BURST_EVERY)
            for _ in range(self.burst)
        ]
        at, steady = chance.expovariate(self.rate), []
        while at < seconds:
            steady.append(at)
            at += chance.expovariate(self.rate)
        return sorted(bursts + steady)


@dataclass
class Call:
    """One text that was asked for; moments are seconds of `time.monotonic`."""

    caller: int
    text: str
    asked: float
    source: str = ""  # the address and port from which it was asked
    target: tuple[str, int] = ("", 0)
    first: float | None = None  # sound
    ended: float = 0.0
    bytes: int = 0  # of sound
    gaps: float = 0.0  # seconds without any, in it
    outcome: str = ""  # "whole", or how it ended


async def call_for(seconds: float, pattern: Pattern, target: Target) -> list[Call]:
    """Let callers ask for so long, and wait for the replies that are in flight then."""
    began = time.monotonic()
    calls: list[Call] = []
    async with asyncio.TaskGroup() as group:
        if pattern.rate:
            chance = random.Random(pattern.seed)
            for at in pattern.moments(seconds, chance):
                await asyncio.sleep(began + at - time.monotonic())
                group.create_task(
                    _call(len(calls) % pattern.callers, pattern.text(chance), target, calls)
                )
        else:
            for caller in range(pattern.callers):
                group.create_task(_keep_calling(caller, pattern, began + seconds, target, calls))
    return calls


async def _keep_calling(
    caller: int, pattern: Pattern, until: float, target: Target, calls: list[Call]
) -> None:
    chance = random.Random(f"{pattern.seed} {caller}")
    # Steady from the first second on: as if all had been at it for long.
    while (wait := chance.expovariate(1 / pattern.think)) + time.monotonic() < until:
        await asyncio.sleep(wait)
        await _call(caller, pattern.text(chance), target, calls)


async def _call(caller: int, text: str, target: Target, calls: list[Call]) -> None:
    call = Call(caller, text, time.monotonic(), target=target(caller))
    calls.append(call)
    try:
        await _listen(call)
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        call.outcome = type(error).__name__
    call.ended = time.monotonic()


async def _listen(call: Call) -> None:
    own = f"127.0.{1 + call.caller // 256}.{call.caller % 256}"
    async with asyncio.timeout(_CONNECT_SECONDS):
        reader, writer = await asyncio.open_connection(
            *call.target, local_addr=(own, 0), limit=_LIMIT
        )
    try:
        call.source = "{}:{}".format(*writer.get_extra_info("sockname")[:2])
        asked = {"type": "synthesize", "data": {"text": call.text}}
        writer.write(json.dumps(asked).encode() + b"\n")
        while True:
            event = await _event(reader)
            if event["type"] == "audio-chunk":
                now = time.monotonic()
                call.first = call.first or now
                call.gaps += max(0.0, now - call.first - call.gaps - call.bytes / _BYTES_A_SECOND)
                call.bytes += event["payload_length"]
            elif event["type"] == "audio-stop":
                call.outcome = "whole"
                return
            elif event["type"] == "error":
                call.outcome = f"error: {event['data'].get('text')}"
                return
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _event(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Read an event without its sound."""
    line = await reader.readuntil(b"\n")
    event: dict[str, Any] = json.loads(line)
    if length := event.get("data_length", 0):
        event["data"] = json.loads(await reader.readexactly(length))
    if length := event.get("payload_length", 0):
        await reader.readexactly(length)
    return event
