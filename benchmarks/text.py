"""How well, how fast and how completely sentences are read aloud: `script/bench text`.

The home sentences of the tests, every unit of Home Assistant, random texts of Unicode, time and
memory are always measured. What others have is measured where it was fetched:

  --nemo FOLDER     NeMo's English cases, `tests/upstream/en` of kitten-text-processing's sdist
                    (pip download --no-deps --no-binary :all: kitten-text-processing==0.1.0)
  --intents FOLDER  Home Assistant's answers, `home_assistant_intents/data` of the wheel
                    (pip download --no-deps home-assistant-intents)
"""

# ruff: noqa: RUF001  (look-alike characters are the subject)

import argparse
import json
import random
import re
import statistics
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.intents import LANGUAGES, answers
from wyoming_csm.text.pieces import Speak
from wyoming_csm.text.reader import TextReader
from wyoming_csm.text.spoken import spoken

TABLES = Path(__file__).resolve().parent.parent / "tests" / "text" / "spoken"
PURPOSES = Path(__file__).with_name("nemo_on_purpose.txt")
AUDIO = "normalize_with_audio"  # NeMo's cases with several right readings
_SIGNS = frozenset("&@%‰°=≠≈~+−±×÷<>≤≥#№§²³√∞^*$€£¥₩¢")
SETS = 20  # of slots for each of Home Assistant's answers
Result = dict[str, object]


def main() -> None:
    """Measure, print a table and one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nemo", type=Path, metavar="FOLDER")
    parser.add_argument("--intents", type=Path, metavar="FOLDER")
    parser.add_argument("--texts", type=int, default=20_000, help="random ones")
    parser.add_argument("--wrong", action="store_true", help="show what is not as expected")
    words = parser.parse_args()
    show = (lambda line: print(line, file=sys.stderr)) if words.wrong else (lambda line: None)
    memory = _memory()
    result: Result = {"first_sentence_ms": {one: _first(one) for one in LANGUAGES}}
    result["memory_mb"] = round(_memory() - memory, 1)
    result |= home(show) | speed() | completeness(words.texts, show)
    if words.nemo:
        result |= nemo(words.nemo, show)
    if words.intents:
        result |= home_assistant(words.intents, show)
    for name, value in result.items():
        print(f"{name:24} {value}")
    print(json.dumps(result))


def home_sentences() -> list[list[str]]:
    """Return language, what is written, and how it is read."""
    lines = (TABLES / "home_sentences.txt").read_text(encoding="utf-8").splitlines()
    return [line.split(" | ") for line in lines if line and not line.startswith("#")]


def home(show: Callable[[str], None]) -> Result:
    """Count the sentences of a home that are read as they should."""
    cases = home_sentences()
    wrong = [case for case in cases if spoken(case[1], case[0]) != case[2]]
    for language, written, _ in wrong:
        show(f"home: {language} {written} | {spoken(written, language)}")
    return {"home_right": f"{len(cases) - len(wrong)} of {len(cases)}"}


def speed() -> Result:
    """Measure processor time for a sentence, the load of others aside."""
    taken = []
    for language, written, _ in home_sentences() * 5:
        begin = time.process_time()
        spoken(written, language)
        taken.append((time.process_time() - begin) * 1000)
    taken.sort()
    return {
        "sentence_ms_p50": round(statistics.median(taken), 3),
        "sentence_ms_p99": round(taken[len(taken) * 99 // 100], 3),
    }


def completeness(texts: int, show: Callable[[str], None]) -> Result:
    """Count random texts of which something is not said, and those that raise."""
    chance = random.Random(1)
    left = 0
    for _ in range(texts):
        text, language = _random_text(chance), chance.choice(LANGUAGES)
        if unsaid(spoken(text, language)) and any(map(str.isalnum, text)):
            left += 1
            show(f"left: {language} {text!r} | {spoken(text, language)!r}")
    return {"random_texts": texts, "random_texts_left": left}


def unsaid(text: str) -> list[str]:
    """Return digits, and signs with a meaning, that are still there."""
    kinds = ("Nd", "No", "Sm", "Sc")
    return [char for char in text if char in _SIGNS or unicodedata.category(char) in kinds]


def _random_text(chance: random.Random) -> str:
    ranges = ((0x20, 0x7F), (0x20, 0x250), (0x2000, 0x2300), (0x20, 0x3000), (0x20, 0x1FFFF))
    low, high = chance.choice(ranges)
    characters = (chr(chance.randrange(low, high)) for _ in range(chance.randrange(1, 40)))
    return "".join(c for c in characters if not "\ud800" <= c <= "\udfff")


def nemo(folder: Path, show: Callable[[str], None]) -> Result:
    """Count NeMo's cases that are read as there, by kind and in all."""
    kinds: dict[str, list[int]] = {}
    purposes = _on_purpose()
    with_and = on_purpose = 0
    for path in sorted(folder.glob("test_cases_*.txt")):
        kind = path.stem.removeprefix("test_cases_")
        right, all_ = kinds.setdefault(kind, [0, 0])
        for written, readings in _nemo_cases(path, kind == AUDIO):
            ours = spoken(written, "en")
            hit = _plain(ours) in map(_plain, readings)
            right, all_ = right + hit, all_ + 1
            if path.stem != f"test_cases_{AUDIO}":
                with_and += _with_and(ours) in map(_with_and, readings)
                on_purpose += not hit and written in purposes
            if not hit and written not in purposes:
                show(f"nemo: {kind} | {written} | {readings[0]} | {spoken(written, 'en')}")
        kinds[kind] = [right, all_]
    audio = kinds.pop(AUDIO, [0, 0])
    right, all_ = (sum(count[i] for count in kinds.values()) for i in (0, 1))
    shares = {kind: f"{one} of {every}" for kind, (one, every) in kinds.items()}
    return {
        "nemo_right": f"{right} of {all_}",
        "nemo_right_with_and": f"{with_and} of {all_}",
        "nemo_right_or_on_purpose": f"{right + on_purpose} of {all_}",
        "nemo_audio_right": f"{audio[0]} of {audio[1]}",
        "nemo_by_kind": shares,
    }


def _nemo_cases(path: Path, several: bool) -> Iterator[tuple[str, list[str]]]:
    lines = path.read_text(encoding="utf-8").split("\n")
    if not several:
        yield from ((a, [b]) for a, _, b in (line.partition("~") for line in lines if "~" in line))
        return
    blocks = re.split(r"^~", "\n".join(lines), flags=re.MULTILINE)[1:]
    for block in blocks:
        written, *readings = block.strip("\n").split("\n")
        yield written.strip("~"), [reading for reading in readings if reading]


def _on_purpose() -> dict[str, str]:
    """Return NeMo's cases that are read otherwise on purpose, with the reason."""
    lines = PURPOSES.read_text(encoding="utf-8").splitlines()
    pairs = (line.split(" | ", 1) for line in lines if line and not line.startswith("#"))
    return {written: reason for reason, written in pairs}


def _plain(words: str) -> str:
    """Return the words alone: `and`, hyphens, stops and capitals are not compared."""
    return " ".join(re.sub(r"\band\b", " ", _with_and(words)).split())


def _with_and(words: str) -> str:
    return " ".join(re.sub(r"[^\w\s]|_", " ", words.casefold().replace("\u2019", "'")).split())


def home_assistant(folder: Path, show: Callable[[str], None]) -> Result:
    """Count Home Assistant's answers, rendered, of which something is not said."""
    counts = {}
    for language in LANGUAGES:
        rendered = set(answers(folder, language, SETS))
        left = 0
        for answer in rendered:
            words = _as_spoken(answer, language)
            if unsaid(words) or "/" in words:
                left += 1
                show(f"answer: {language} {answer} | {words}")
        counts[language] = f"{left} of {len(rendered)}"
    return {"answers_left": counts}


def _as_spoken(text: str, language: str) -> str:
    reader = TextReader(language)
    pieces = [*reader.push(text), *reader.finish()]
    return " ".join(spoken(piece.text, language) for piece in pieces if isinstance(piece, Speak))


def _first(language: str) -> float:
    """Return the milliseconds of a language's first sentence, which makes its patterns."""
    begin = time.process_time()
    spoken("1 m", language)
    return round((time.process_time() - begin) * 1000, 1)


def _memory() -> float:
    """Return this process's resident memory in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
