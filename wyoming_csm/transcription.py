"""The words of a recording, from a speech-to-text server that speaks Wyoming."""

import asyncio
from urllib.parse import urlparse

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.error import Error

from wyoming_csm.audio import RECOGNISED_RATE, SAMPLE_WIDTH
from wyoming_csm.errors import OtherServerError, RequestError

_CONNECT_SECONDS = 5.0
SECONDS = 180.0  # for all: a large model on a small machine takes twice the recording's length
_CHUNK_BYTES = 6_400  # 0.2 s


async def transcribe(uri: str, sound: bytes, language: str) -> str:
    """Ask the server at `tcp://HOST:PORT` or `unix:///PATH` for the words in `sound`: s16le,
    mono, at 16 kHz.

    Raises RequestError with a cure: OtherServerError where it is that server's fault.
    """
    if not is_address(uri):
        raise RequestError(f"the speech-to-text server {uri!r} is not like tcp://192.168.1.5:10300")
    client = AsyncClient.from_uri(uri, connect_timeout=_CONNECT_SECONDS)
    try:
        async with asyncio.timeout(SECONDS), client:
            words = await _ask(client, sound, language)
    except TimeoutError as error:
        raise OtherServerError(
            f"the speech-to-text server {uri} gave no answer in time: is it that one? Or write the"
            " words yourself",
            late=True,
        ) from error
    except OSError as error:
        why = error.strerror or error
        raise OtherServerError(
            f"the speech-to-text server {uri} cannot be reached: {why}: start it, or write the"
            " words yourself"
        ) from error
    except (EOFError, KeyError, TypeError, AttributeError) as error:  # as the library reads events
        raise OtherServerError(f"{uri} answers, but is no Wyoming server: see its port") from error
    if not words:
        raise RequestError(f"{uri} understood no words: write them yourself")
    return words


def is_address(uri: str) -> bool:
    """Tell whether it is like tcp://192.168.1.5:10300 or unix:///run/asr."""
    try:
        parts = urlparse(uri)
        is_tcp = parts.scheme == "tcp" and bool(parts.hostname and parts.port)
    except ValueError:
        return False
    return is_tcp or (parts.scheme == "unix" and len(parts.path) > 1)


async def _ask(client: AsyncClient, sound: bytes, language: str) -> str:
    form = {"rate": RECOGNISED_RATE, "width": SAMPLE_WIDTH, "channels": 1}
    await client.write_event(Transcribe(language=language).event())
    await client.write_event(AudioStart(**form).event())
    for start in range(0, len(sound), _CHUNK_BYTES):
        await client.write_event(
            AudioChunk(**form, audio=sound[start : start + _CHUNK_BYTES]).event()
        )
    await client.write_event(AudioStop().event())
    while (event := await client.read_event()) is not None:
        if Error.is_type(event.type):
            raise OtherServerError(f"the speech-to-text server: {Error.from_event(event).text}")
        if Transcript.is_type(event.type):
            return " ".join(str(Transcript.from_event(event).text).split())
    raise EOFError("the connection was closed")
