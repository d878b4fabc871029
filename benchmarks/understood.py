"""What a speech recogniser understands of Home Assistant's answers: `script/bench understood`.

A hundred answers with numbers, units and times (fixtures/home_answers.txt) are spoken by the system
voice and, with `--checkpoint MODEL.pth`, by a VITS of Coqui's; as they are read aloud, and as they
are written. What Moonshine tiny makes of it is compared with what a person would read, written by
hand. `script/get-recogniser` fetches it. Prints a table, then one line of JSON.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import aclosing
from pathlib import Path

from benchmarks.fixtures import recogniser
from benchmarks.fixtures.recogniser import Recogniser, word_errors, words
from wyoming_csm import __version__
from wyoming_csm.audio import silence
from wyoming_csm.config import Config, CoquiConfig
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.coqui import coqui_engine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.system import system_engine
from wyoming_csm.text.pieces import Speak
from wyoming_csm.text.reader import TextReader
from wyoming_csm.text.spoken import spoken as in_words
from wyoming_csm.text.spoken.parts import in_parts

ANSWERS = Path(__file__).parent / "fixtures" / "home_answers.txt"
# The recogniser expects a recording, which begins and ends in silence; with 0.5 s of it on each
# side of an answer as short as "7:05 AM" it understands nothing at all.
_AROUND = silence(0.25)
_BETWEEN = silence(0.25)  # sentences
_LANGUAGE = "en-US"


def answers() -> list[tuple[str, str]]:
    """Return what is written, and what a person reads."""
    lines = ANSWERS.read_text(encoding="utf-8").splitlines()
    pairs = (line.split(" | ") for line in lines if not line.startswith("#"))
    return [(written, read) for written, read in pairs]


def as_read(sentence: str) -> Iterable[str]:
    """Return the words of a sentence, as the server has them spoken."""
    return in_parts(in_words(sentence, _LANGUAGE))


def as_written(sentence: str) -> Iterable[str]:
    """Return the sentence: the voice's own text processing is to do with it what it can."""
    return [sentence]


async def main() -> None:
    """Let each voice say all answers in both manners."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="a VITS of Coqui's, config.json beside it")
    parser.add_argument("--wrong", action="store_true", help="show what is understood otherwise")
    options = parser.parse_args()
    if reason := recogniser.missing():
        sys.exit(reason)
    listener = Recogniser()
    found: dict[str, object] = {"version": __version__, "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as folder:
        engines = {"system": system_engine(Config(data_dir=folder))}
        if options.checkpoint:
            coqui = CoquiConfig(checkpoint=str(options.checkpoint.absolute()), device="cpu")
            engines["coqui"] = coqui_engine(Config(data_dir=folder, coqui=coqui))
        for name, engine in engines.items():
            for manner in (as_read, as_written):
                rate, wrong = await understood(engine, manner, listener)
                found[f"{name}_{manner.__name__}_word_error_rate"] = round(rate, 4)
                for line in wrong if options.wrong else ():
                    print(f"{name} {manner.__name__}: {line}", file=sys.stderr)
    for key, value in found.items():
        print(f"{key:36} {value!s:>8}")
    print(json.dumps(found))


async def understood(
    engine: ChildEngine, manner: Callable[[str], Iterable[str]], listener: Recogniser
) -> tuple[float, list[str]]:
    """Return the share of words that are understood otherwise, and the answers with some."""
    voices = Fallback([engine])
    await voices.start()
    await voices.wait_loaded()
    assert engine.status.phase is Phase.READY, engine.status
    said, errors, wrong = 0, 0, []
    for written, read in answers():
        pcm = await spoken(voices, engine, written, manner)
        transcript = await asyncio.to_thread(listener.transcribe, pcm)
        wanted, got = words(read), words(transcript)
        said += len(wanted)
        if missed := word_errors(wanted, got):
            errors += missed
            wrong.append(f"{missed} of {written} | {' '.join(wanted)} | {transcript}")
    await voices.stop()
    return errors / said, wrong


async def spoken(
    voices: Fallback, engine: ChildEngine, text: str, manner: Callable[[str], Iterable[str]]
) -> bytes:
    """Return the sound of an answer."""
    reader = TextReader(_LANGUAGE)
    pcm: list[bytes] = []
    reply = voices.start_reply(engine.voices[0])
    for piece in (*reader.push(text), *reader.finish()):
        assert isinstance(piece, Speak), piece
        pcm.append(_BETWEEN if pcm else _AROUND)
        for part in manner(piece.text):
            async with aclosing(reply.speak(Speak(part))) as chunks:
                pcm += [chunk async for chunk in chunks]
    await reply.aclose()
    return b"".join((*pcm, _AROUND))


if __name__ == "__main__":
    asyncio.run(main())
