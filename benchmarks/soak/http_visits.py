"""What clients do at the HTTP door and its WebSocket: as they should, or as they do when they
break."""

import asyncio
import json
from contextlib import suppress
from typing import Any

from aiohttp import ClientError, ClientWebSocketResponse, WSMsgType

from benchmarks.soak.visitor import Connection, Refused, Visitor

_FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
_PAGES = ("/", "/api/voices", "/api/status", "/metrics", "/health", "/api/docs", "/v1/models")
_MOST = 2**24  # bytes of an answer


async def speak(visitor: Visitor) -> None:
    """Ask as OpenAI's clients do, in any format, and listen to the end."""
    async with visitor.browsing() as client:
        began = asyncio.get_running_loop().time()
        async with client.post("/v1/audio/speech", json=_wish(visitor)) as answer:
            if answer.status != 200:
                raise Refused(f"{answer.status} {(await answer.text())[:200]}")
            await answer.content.readany()
            visitor.noted(began)
            try:
                await answer.read()
            except ClientError as error:
                raise Refused(f"cut: {error}") from error


async def whole(visitor: Visitor) -> None:
    """Ask for sound as a whole, as JSON or as a file."""
    voice = visitor.voice()
    async with visitor.browsing() as client:
        if visitor.chance.random() < 0.5:
            body = {"text": visitor.text()} | ({"voice": voice} if voice else {})
            asking = client.post("/api/generate", json=body)
        else:
            asking = client.get("/api/text-to-speech", params={"text": visitor.text()})
        async with asking as answer:
            if answer.status != 200:
                raise Refused(f"{answer.status} {(await answer.text())[:200]}")
            await answer.read()


async def browse(visitor: Visitor) -> None:
    """Look at pages, as the page and whoever watches do."""
    async with visitor.browsing() as client:
        for path in visitor.chance.sample(_PAGES, 3):
            async with client.get(path) as answer:
                if answer.status not in (200, 503):
                    raise Refused(f"{path}: {answer.status}")
                await answer.read()


async def live(visitor: Visitor) -> None:
    """Send texts over a WebSocket as a model writes them, and listen to their ends."""
    async with visitor.browsing() as client, client.ws_connect("/api/stream") as socket:
        for _ in range(visitor.chance.randint(1, 2)):
            await _send_text(visitor, socket)
            while (message := await _said(socket)) is None or message["type"] != "end":
                pass


async def live_leave(visitor: Visitor) -> None:
    """Leave a WebSocket in the middle of a reply, with or without a goodbye."""
    async with visitor.browsing() as client, client.ws_connect("/api/stream") as socket:
        await _send_text(visitor, socket)
        for _ in range(visitor.chance.randrange(8)):
            await _said(socket)
        if visitor.chance.random() < 0.5:
            transport = socket.get_extra_info("transport")
            if transport is not None:
                transport.abort()


async def live_garble(visitor: Visitor) -> None:
    """Send what is no message over a WebSocket."""
    async with visitor.browsing() as client, client.ws_connect("/api/stream") as socket:
        bad = ("{", '{"type": "sing"}', "[]", '{"type": "text", "text": 5}')
        await socket.send_str(visitor.chance.choice(bad))
        while (await socket.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
            pass


async def leave(visitor: Visitor) -> None:
    """Leave in the middle of an answer: closed, or reset."""
    async with visitor.connected(visitor.http_port) as door:
        await _ask(visitor, door, 8)
        await door.reader.read(visitor.chance.randrange(1, 60_000))
        if visitor.chance.random() < 0.5:
            door.reset()


async def half_close(visitor: Visitor) -> None:
    """Ask, end what is sent, and read on for as long as it lasts."""
    async with visitor.connected(visitor.http_port) as door:
        await _ask(visitor, door, 3)
        door.half_close()
        with suppress(OSError):
            while await door.reader.read(65_536):
                pass


async def never_read(visitor: Visitor) -> None:
    """Ask for a long text and take nothing, until the server gives up."""
    async with visitor.connected(visitor.http_port) as door:
        transport = door.writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        await _ask(visitor, door, 30)
        await asyncio.sleep(visitor.chance.uniform(3, 8))


async def flood(visitor: Visitor) -> None:
    """Ask on many connections at once; what is too much is refused with 503."""

    async def one() -> None:
        async with visitor.connected(visitor.http_port) as door:
            await _ask(visitor, door, 1)
            with suppress(OSError):
                await door.reader.read(_MOST)

    await asyncio.gather(*(one() for _ in range(24)), return_exceptions=True)


async def garble(visitor: Visitor) -> None:
    """Send what is no request, or half of one."""
    bad = (
        visitor.chance.randbytes(300),
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"POST /v1/audio/speech HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999999999\r\n\r\n{",
        b"POST /v1/audio/speech HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\n{}}",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    )
    async with visitor.connected(visitor.http_port) as door:
        with suppress(OSError):
            door.writer.write(visitor.chance.choice(bad))
            await door.writer.drain()
            await door.reader.read(1_000)


def _wish(visitor: Visitor, most: int = 4) -> dict[str, object]:
    wish: dict[str, object] = {
        "input": visitor.text(most),
        "response_format": visitor.chance.choice(_FORMATS),
    }
    if visitor.chance.random() < 0.2:
        wish["stream_format"] = "sse"
    if voice := visitor.voice():
        wish["voice"] = voice
    return wish


async def _ask(visitor: Visitor, door: Connection, most: int) -> None:
    body = json.dumps(_wish(visitor, most)).encode()
    head = f"POST /v1/audio/speech HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
    door.writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
    with suppress(OSError):
        await door.writer.drain()


async def _send_text(visitor: Visitor, socket: ClientWebSocketResponse) -> None:
    voice = visitor.voice()
    await socket.send_json({"type": "start"} | ({"voice": voice} if voice else {}))
    for word in visitor.text().split(" "):
        await socket.send_json({"type": "text", "text": word + " "})
    await socket.send_json({"type": "end"})


async def _said(socket: ClientWebSocketResponse) -> dict[str, Any] | None:
    """Return the next message, or None for sound. Raises Refused."""
    message = await socket.receive()
    if message.type is WSMsgType.BINARY:
        return None
    if message.type is not WSMsgType.TEXT:
        raise Refused("closed")
    found: dict[str, Any] = json.loads(message.data)
    if found["type"] == "error":
        raise Refused(str(found["error"]))
    return found
