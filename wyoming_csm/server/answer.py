"""One request's answer: its text to sentences, sentences to sound, each in its turn."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from wyoming.tts import SynthesizeStopped

from wyoming_csm.audio import silence
from wyoming_csm.config import Config
from wyoming_csm.engines.base import Engine, Reply
from wyoming_csm.errors import EngineError, RequestError
from wyoming_csm.server.peer import EventWriter
from wyoming_csm.server.requests import Request
from wyoming_csm.server.sound import Sound
from wyoming_csm.server.turns import Queues
from wyoming_csm.text.pieces import Pause, Piece, Speak
from wyoming_csm.text.ssml import ssml_pieces
from wyoming_csm.text.stream import SentenceSplitter
from wyoming_csm.voices import Voice

_LOGGER = logging.getLogger(__name__)

_SLICE = 250  # characters cut into sentences at a time, in 2 ms: the loop is never held for long
_STALL_SECONDS = 0.4  # without new text, after which a whole sentence does not wait for the next
_PAUSE_SLICE = 1.0  # seconds of silence sent at a time


class Answer:
    """Speaks one request on one connection.

    Pull: a sentence is asked for when little of the sound before it is unsent; it then runs at
    the engine's pace. The turn is held while the engine works, never while the peer takes its
    time.
    """

    def __init__(
        self,
        request: Request,
        voice: Voice | None,
        *,
        engine: Engine,
        turns: Queues,
        outlet: EventWriter,
        config: Config,
        address: str,
    ) -> None:
        self._request = request
        self._voice = voice
        self._engine = engine
        self._turns = turns
        self._outlet = outlet
        self._address = address
        self._sound = Sound(outlet, config.samples_per_chunk)
        self._began = asyncio.get_running_loop().time()
        self._reply: Reply | None = None
        self._sentences = 0
        self._engine_seconds = 0.0
        self._first_sound_at: float | None = None

    def probe(self) -> None:
        """The peer's input ended: send what shows whether it is there. Raises ConnectionError."""
        if not self._sound.started:
            self._sound.start()
            self._outlet.probed()

    async def run(self) -> None:
        """Raises EngineError, RequestError, ConnectionError."""
        outcome = "cut off"
        try:
            reply = self._reply = self._start_reply()  # before the text: who sleeps is woken
            async with aclosing(self._pieces()) as pieces:
                async for piece in pieces:
                    await self._outlet.drained()
                    if isinstance(piece, Pause):
                        await self._pause(piece.seconds)
                    else:
                        await self._speak(reply, piece)
            if self._request.text.cut and not self._sentences:
                raise RequestError("the text is too long, and its beginning cannot be spoken")
            self._sound.stop()
            if self._request.streamed:
                self._outlet.send(SynthesizeStopped().event())
            outcome = "spoken"
        finally:
            self._log(outcome)
            if self._reply is not None:
                await self._reply.aclose()

    async def _pieces(self) -> AsyncGenerator[Piece]:
        text, language = self._request.text, self._voice.language if self._voice else ""
        if self._request.ssml:
            whole: list[str] = []
            while (more := await text.take()) is not None:
                whole.append(more)
            # In a thread: it comes at once, and reading 10 000 characters may take 80 ms.
            for piece in await asyncio.to_thread(ssml_pieces, "".join(whole), language, text.cut):
                yield piece
            return
        splitter = SentenceSplitter(language)
        while (more := await text.take(_STALL_SECONDS)) is not None:
            # A text that stalls (a language model at work) may have ended in a whole sentence.
            for piece in splitter.flush() if not more else ():
                yield piece
            for begin in range(0, len(more), _SLICE):
                for piece in splitter.push(more[begin : begin + _SLICE]):
                    yield piece
                if begin:
                    await asyncio.sleep(0)  # nothing is waited for; others come between
        said = self._sentences > 0
        for piece in splitter.break_off(said) if text.cut else splitter.finish():
            yield piece

    async def _pause(self, seconds: float) -> None:
        while seconds > 0:
            self._sound.add(silence(min(seconds, _PAUSE_SLICE)))
            self._sound.flush()
            seconds -= _PAUSE_SLICE
            await self._outlet.drained()

    async def _speak(self, reply: Reply, sentence: Speak) -> None:
        clock = asyncio.get_running_loop().time
        engine = await reply.in_charge()
        async with self._turns.of(engine).take(self._address):
            await self._outlet.surely_there()
            began = clock()
            self._sentences += 1
            try:
                async with aclosing(reply.speak(sentence)) as chunks:
                    async for pcm in chunks:
                        self._sound.add(pcm)
                        if self._first_sound_at is None:
                            self._first_sound_at = clock()
            finally:
                self._engine_seconds += clock() - began
        self._sound.flush()

    def _start_reply(self) -> Reply:
        voice = self._voice and self._engine.voice_for(self._voice)
        if voice is None:
            raise EngineError("no engine here has a voice for this")
        return self._engine.start_reply(voice)

    def _log(self, outcome: str) -> None:
        """The one line of a reply; never its text."""
        seconds = self._sound.seconds
        since = self._request.text.first_at or self._began
        first = self._first_sound_at
        _LOGGER.info(
            "%s for %s by %s: %d sentence%s, %.1f s of sound, TTFA %s, RTF %s",
            outcome.capitalize(),
            self._address,
            self._reply.spoken_by if self._reply else "nobody",
            self._sentences,
            "" if self._sentences == 1 else "s",
            seconds,
            "-" if first is None else f"{(first - since) * 1000:.0f} ms",
            "-" if first is None or not seconds else f"{self._engine_seconds / seconds:.2f}",
        )
