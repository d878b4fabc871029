"""A Wyoming server, asked as Home Assistant asks it."""

from time import monotonic

from wyoming.audio import AudioChunk, AudioStop
from wyoming.client import AsyncClient
from wyoming.error import Error
from wyoming.tts import Synthesize, SynthesizeVoice

from wyoming_csm.bench.reply import Arrival, Reply, reply_of, why
from wyoming_csm.errors import RequestError
from wyoming_csm.within import within

MOST_SECONDS = 1_200.0  # of sound in a reply: what is longer is no sentence


async def speak(uri: str, text: str, voice: str | None, seconds: float) -> Reply:
    """Ask for a text to be spoken, on a connection of its own. Raises RequestError."""
    chunks: list[Arrival] = []
    try:
        client = AsyncClient.from_uri(uri, connect_timeout=min(seconds, 10.0))
    except ValueError as error:
        raise RequestError(f"{uri} is no address: {error}") from error
    try:
        async with client:
            if not await within(seconds, _ask(client, text, voice, chunks)):
                raise RequestError(f"{uri} did not end in {seconds:g} s; see --timeout")
    except (OSError, EOFError) as error:
        raise RequestError(f"{uri} cannot be spoken with: {why(error)}") from error
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise RequestError(f"{uri} answers, but is no Wyoming server: see its port") from error
    if (reply := reply_of(chunks)) is None:
        raise RequestError(f"{uri} answered without sound")
    return reply


async def _ask(client: AsyncClient, text: str, voice: str | None, chunks: list[Arrival]) -> None:
    """Append each chunk, to the reply's end."""
    wanted = SynthesizeVoice(name=voice) if voice else None
    began, seconds = monotonic(), 0.0
    await client.write_event(Synthesize(text, voice=wanted).event())
    while (event := await client.read_event()) is not None:
        now = monotonic() - began
        if AudioChunk.is_type(event.type):
            chunk = AudioChunk.from_event(event)
            chunks.append(Arrival(now, chunk.seconds))
            seconds += chunk.seconds
            if seconds > MOST_SECONDS:
                raise RequestError(f"the reply does not end: {seconds:.0f} s of sound")
        elif Error.is_type(event.type):
            raise RequestError(f"the server: {Error.from_event(event).text}")
        elif AudioStop.is_type(event.type):
            return
    raise EOFError("the connection was closed before the end of the sound")
