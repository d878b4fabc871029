"""What clients do at Wyoming's door: as they should, or as they do when they break."""

import asyncio
from contextlib import suppress

from wyoming.event import Event
from wyoming.info import Describe
from wyoming.ping import Ping
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeVoice,
)

from benchmarks.soak.visitor import Connection, Refused, Visitor

_LONG = 12  # sentences: a minute of sound


async def speak(visitor: Visitor) -> None:
    """Ask for one or several texts, one after the other, and listen to their ends."""
    async with visitor.connected(visitor.port) as door:
        for _ in range(visitor.chance.randint(1, 3)):
            began = asyncio.get_running_loop().time()
            await door.send(_asking(visitor, visitor.text()))
            await door.until("audio-start")
            await door.next()
            visitor.noted(began)
            await door.until("audio-stop")


async def stream(visitor: Visitor) -> None:
    """Send a text as a model writes it, word by word."""
    async with visitor.connected(visitor.port) as door:
        await door.send(SynthesizeStart(voice=_voice(visitor)).event())
        for word in visitor.text().split(" "):
            await door.send(SynthesizeChunk(word + " ").event())
            await asyncio.sleep(visitor.chance.random() * 0.05)
        await door.send(SynthesizeStop().event())
        await door.until("synthesize-stopped")


async def half_close(visitor: Visitor) -> None:
    """Ask, say that no more comes, and listen to the end."""
    async with visitor.connected(visitor.port) as door:
        await door.send(_asking(visitor, visitor.text()))
        door.half_close()
        await door.until("audio-stop")


async def describe(visitor: Visitor) -> None:
    """Ask who is there, as Home Assistant does, and whether it still is."""
    async with visitor.connected(visitor.port) as door:
        await door.send(Describe().event(), Ping(text="there?").event())
        await door.until("info")
        await door.until("pong")


async def leave(visitor: Visitor) -> None:
    """Leave in the middle of a reply."""
    async with visitor.connected(visitor.port) as door:
        await _hear_some(visitor, door)


async def reset(visitor: Visitor) -> None:
    """Be gone in the middle of a reply, without a goodbye."""
    async with visitor.connected(visitor.port) as door:
        await _hear_some(visitor, door)
        door.reset()


async def half_close_and_leave(visitor: Visitor) -> None:
    """Ask, end what is sent, and be gone at once."""
    async with visitor.connected(visitor.port) as door:
        await door.send(_asking(visitor, visitor.text()))
        door.half_close()
        await asyncio.sleep(visitor.chance.random() * 0.2)
        if visitor.chance.random() < 0.5:
            door.reset()


async def flood(visitor: Visitor) -> None:
    """Send more than one connection may have waiting, and read what comes."""
    async with visitor.connected(visitor.port) as door:
        with suppress(OSError, Refused):
            for _ in range(40):
                await door.send(_asking(visitor, visitor.sentence()), Describe().event())
            for _ in range(400):
                await door.next()


async def crowd(visitor: Visitor) -> None:
    """Open more connections than one address may have."""

    async def one() -> None:
        async with visitor.connected(visitor.port) as door:
            await door.send(Describe().event())
            await door.until("info")
            await asyncio.sleep(visitor.chance.random())

    await asyncio.gather(*(one() for _ in range(24)), return_exceptions=True)


async def never_read(visitor: Visitor) -> None:
    """Ask for long texts and take nothing, until the server gives up."""
    async with visitor.connected(visitor.port) as door:
        with suppress(OSError):
            for _ in range(5):
                text = " ".join(visitor.sentence() for _ in range(_LONG))
                await door.send(Synthesize(text, voice=_voice(visitor)).event())
            transport = door.writer.transport
            assert isinstance(transport, asyncio.Transport)
            transport.pause_reading()
            await asyncio.sleep(visitor.chance.uniform(3, 8))


async def say_nothing(visitor: Visitor) -> None:
    """Connect, and perhaps begin an event; the server ends it."""
    begun = (b"", b"{", b'{"type": "synthesize", "data_length": 9}\n{"te')
    async with visitor.connected(visitor.port) as door:
        with suppress(OSError):
            door.writer.write(visitor.chance.choice(begun))
            await door.reader.read()


async def garble(visitor: Visitor) -> None:
    """Send what is no event."""
    async with visitor.connected(visitor.port) as door:
        with suppress(OSError):
            bad = (
                visitor.chance.randbytes(200),
                b'{"type": 5}\n',
                b'{"type": "synthesize", "data_length": 999999999}\n',
                b'{"type": "synthesize", "data": {"text": 7}}\n',
                b"[" * 5_000 + b"\n",
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            )
            door.writer.write(visitor.chance.choice(bad))
            await door.writer.drain()
            door.half_close()
            await door.reader.read()


def _voice(visitor: Visitor) -> SynthesizeVoice | None:
    name = visitor.voice()
    return SynthesizeVoice(name=name) if name else None


def _asking(visitor: Visitor, text: str) -> Event:
    return Synthesize(text, voice=_voice(visitor)).event()


async def _hear_some(visitor: Visitor, door: Connection) -> None:
    await door.send(_asking(visitor, visitor.text(8)))
    for _ in range(visitor.chance.randrange(12)):
        if (await door.next()).type == "audio-stop":
            return
