"""A real sentence through each engine: how soon it begins, and how fast it is made."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from wyoming_csm.answer import Answer, AnswerContext
from wyoming_csm.app import running
from wyoming_csm.audio import SAMPLE_RATE, SAMPLE_WIDTH
from wyoming_csm.config import CacheConfig, Config, EngineName
from wyoming_csm.doctor.finding import Finding, Level
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.errors import EngineError, WyomingCsmError
from wyoming_csm.text.spoken import spoken
from wyoming_csm.text_stream import TextStream
from wyoming_csm.within import within

TEXT = "The front door is open, and the light in the kitchen is on."
LOAD_SECONDS = 300.0  # CSM compiles for minutes the first time
SPEAK_SECONDS = 60.0
_LOG = "start ./run.sh --debug and see its log; please report it"

Speak = Callable[[EngineName, Config], Awaitable[Finding]]


async def check_speaking(name: EngineName, config: Config) -> Finding:
    """Start an engine, and have it speak. Nothing is cached, and no other engine stands in."""
    alone = replace(
        config,
        engines=(name,),
        voice=None,
        cache=CacheConfig(characters=0),
        sound=replace(config.sound, fill_gaps=False, lead_in=0.0),
    )
    found: list[Finding] = []

    async def speak() -> None:
        async with running(alone) as app:
            found.append(await time_sentence(name, app.engine, alone))

    if not await within(LOAD_SECONDS + SPEAK_SECONDS, speak()):
        seconds = f"{LOAD_SECONDS + SPEAK_SECONDS:.0f} s"
        return Finding(f"say {name}", "fail", f"nothing was spoken in {seconds}", _LOG)
    return found[0]


async def time_sentence(name: str, house: Fallback, config: Config) -> Finding:
    """Wait until the engine, alone in its house, is loaded; time a sentence of its first voice."""
    title, loop = f"say {name}", asyncio.get_running_loop()
    began = loop.time()
    await within(LOAD_SECONDS, house.wait_loaded())
    if house.status.phase is not Phase.READY:
        status = house.engines[0].status
        reason, _, cure = status.detail.partition(": ")
        level: Level = "skip" if status.unsuited else "fail"
        return Finding(title, level, reason or status.phase.value, cure or _LOG)
    loaded = loop.time() - began
    voice = next((voice for voice in house.voices if not voice.fault and not voice.clips), None)
    language = voice.language if voice else config.language
    await asyncio.to_thread(spoken, TEXT, language)  # its rules are ready in a server, too
    listener, text = _Listener(), TextStream(len(TEXT), lambda _: None)
    text.feed(TEXT)
    text.end()
    context = AnswerContext.of(config, house)
    asked = loop.time()
    try:
        answer = Answer(text, voice, listener, context, address="this command")
        if not await within(SPEAK_SECONDS, answer.run()):
            raise EngineError(f"no end of the sound in {SPEAK_SECONDS:.0f} s")
    except WyomingCsmError as error:
        return Finding(title, "fail", f"it failed: {error}", _LOG)
    if listener.first_at is None:
        return Finding(title, "fail", "it made no sound", _LOG)
    seconds = listener.samples / SAMPLE_RATE
    rtf = (loop.time() - asked) / seconds
    told = (
        f"first sound {1000 * (listener.first_at - asked):.0f} ms, RTF {rtf:.2f},"
        f" loaded in {loaded:.1f} s ({house.engines[0].status.detail or 'ready'})"
    )
    if rtf > 1:
        cure = "slower than real time: a GPU, csm.dtype: int8, or another engine first in `engines`"
        return Finding(title, "warn", told, cure)
    return Finding(title, "ok", told)


class _Listener:
    """Counts the sound, and when the first of it came."""

    full = False

    def __init__(self) -> None:
        self.samples = 0
        self.first_at: float | None = None

    def send(self, pcm: bytes) -> None:
        if self.first_at is None and any(pcm):
            self.first_at = asyncio.get_running_loop().time()
        self.samples += len(pcm) // SAMPLE_WIDTH

    def flush(self) -> None: ...

    async def drained(self) -> None: ...

    async def surely_there(self) -> None: ...
