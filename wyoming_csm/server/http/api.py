"""Sound as a whole: JSON that holds a WAV file, and the WAV file of wyoming's own HTTP gateway."""

import base64
import tempfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from typing import IO, Annotated

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from wyoming_csm.audio import BYTES_PER_SECOND, SAMPLE_RATE
from wyoming_csm.server.http.bodies import Name, read, read_json
from wyoming_csm.server.http.encode import wav_header
from wyoming_csm.server.http.house import house_of
from wyoming_csm.server.http.problems import Refused
from wyoming_csm.server.http.respond import IN_MEMORY, stream
from wyoming_csm.server.http.speak import Speech, speak, whole_text
from wyoming_csm.server.info import PROGRAM
from wyoming_csm.text.pieces import FASTEST, SLOWEST
from wyoming_csm.voice_choice import VoiceRequest

_PART = 48 * 1024  # bytes read at a time; a multiple of 3, for base64


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A text to speak; without a voice the default one."""

    text: Annotated[str, Meta(min_length=1)]
    voice: Name | None = None
    speed: Annotated[float, Meta(ge=SLOWEST, le=FASTEST)] = 1.0


class Metadata(msgspec.Struct, frozen=True):
    """The model and the voice that spoke."""

    model: str
    voice: str
    speaker: str
    streaming: bool = False


class Generated(msgspec.Struct, frozen=True):
    """A WAV file in base64, and what it is; `duration` in seconds."""

    audio_data: str
    format: str
    sample_rate: int
    duration: float
    metadata: Metadata


async def generate(request: web.Request) -> web.StreamResponse:
    """Answer POST /api/generate."""
    house = house_of(request)
    wish = await read_json(request, GenerateRequest)
    text = whole_text(house, wish.text, "text")
    spoken = await speak(
        request, text, VoiceRequest(name=wish.voice or None), speed=wish.speed, live=False
    )
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
        size = await _gather(spoken, file)
        name, speaker = (spoken.voice.name, spoken.voice.speaker) if spoken.voice else ("", "")
        frame = Generated(
            "*", "wav", SAMPLE_RATE, round(size / BYTES_PER_SECOND, 3),
            Metadata(PROGRAM, name, speaker),
        )  # fmt: skip
        before, after = msgspec.json.encode(frame).split(b'"*"', 1)

        async def parts() -> AsyncGenerator[bytes]:
            yield before + b'"'
            header = wav_header(size)
            first = header + file.read(_PART - len(header))
            yield base64.b64encode(first)
            while part := file.read(_PART):
                yield base64.b64encode(part)
            yield b'"' + after

        headers = {"Content-Type": "application/json", **spoken.headers}
        return await stream(request, parts(), headers)


async def text_to_speech(request: web.Request) -> web.StreamResponse:
    """Answer GET and POST /api/text-to-speech: wyoming's own gateway has the same."""
    house = house_of(request)
    if request.method == hdrs.METH_GET:
        text = request.query.get("text", "")
    else:
        body = await read(request, house.config.limits.data_bytes)
        text = body.decode(errors="replace")
    if not text:
        raise Refused(HTTPStatus.BAD_REQUEST, "text is missing", param="text")
    wanted = VoiceRequest(
        *(request.query.get(name) or None for name in ("voice", "language", "speaker"))
    )
    spoken = await speak(request, whole_text(house, text, "text"), wanted, live=False)
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
        size = await _gather(spoken, file)

        header = wav_header(size)

        async def parts() -> AsyncGenerator[bytes]:
            yield header
            while part := file.read(_PART):
                yield part

        headers = {
            "Content-Type": "audio/wav",
            "Content-Length": str(len(header) + size),
            **spoken.headers,
        }
        return await stream(request, parts(), headers)


async def _gather(spoken: Speech, file: IO[bytes]) -> int:
    """Write all sound into the file; return its bytes. Raises EngineError, RequestError."""
    size = 0
    async with aclosing(spoken.sound):
        async for pcm in spoken.sound:
            size += file.write(pcm)
    file.seek(0)
    return size
