"""Sound that was spoken already into another format: the page's MP3 is what was heard on it."""

import asyncio
import tempfile
import wave
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import IO

import msgspec
from aiohttp import web

from wyoming_csm.audio import CHANNELS, SAMPLE_RATE, SAMPLE_WIDTH
from wyoming_csm.server.http.bodies import media_type, parts
from wyoming_csm.server.http.encode import MIME, Format, encoder_of
from wyoming_csm.server.http.house import house_of
from wyoming_csm.server.http.problems import Refused
from wyoming_csm.server.http.respond import IN_MEMORY, encoded, stream

KINDS = ("audio/wav", "application/octet-stream")  # which no form of a page elsewhere can send
_PART = SAMPLE_RATE  # samples encoded at a time: between them others' sound is


async def convert(request: web.Request) -> web.StreamResponse:
    """Answer POST /api/convert: a WAV file as this server speaks it becomes one of `format`."""
    house = house_of(request)
    name = _format_of(request)
    if media_type(request) not in KINDS:
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send a WAV file, with the type {KINDS[0]}"
        )
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
        async for part in parts(request, house.config.limits.upload_bytes):
            file.write(part)
        file.seek(0)
        with _opened(file) as sound:
            loop = asyncio.get_running_loop()
            encoder = await loop.run_in_executor(house.encoding, encoder_of, name)
            data = encoded(_samples(sound), encoder, house.encoding)
            return await stream(request, data, {"Content-Type": MIME[name]})


def _format_of(request: web.Request) -> Format:
    try:
        found: Format = msgspec.convert(request.query.get("format", "mp3"), Format)
    except msgspec.ValidationError:
        raise Refused(
            HTTPStatus.BAD_REQUEST, f"format: one of {', '.join(MIME)}", param="format"
        ) from None
    return found


def _opened(file: IO[bytes]) -> wave.Wave_read:
    """Read the head of a WAV file. Raises Refused if its sound is not as this server's."""
    try:
        found = wave.open(file, "rb")  # noqa: SIM115  # the caller's `with` closes it
    except (wave.Error, EOFError) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"this is no WAV file: {error}") from None
    form = (found.getframerate(), found.getnchannels(), found.getsampwidth())
    if form != (SAMPLE_RATE, CHANNELS, SAMPLE_WIDTH):
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            f"send sound as it is spoken here: {SAMPLE_RATE} Hz, mono, 16 bits",
        )
    return found


async def _samples(sound: wave.Wave_read) -> AsyncGenerator[bytes]:
    while pcm := sound.readframes(_PART):
        yield pcm[: len(pcm) // SAMPLE_WIDTH * SAMPLE_WIDTH]  # the file may end within a sample
