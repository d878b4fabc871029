"""Where replicas differ, as clients see them: their Describe, side by side."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wyoming.info import Info, TtsProgram, TtsVoice

from wyoming_csm.bench.reply import why
from wyoming_csm.errors import ProtocolError
from wyoming_csm.server_info import info_of
from wyoming_csm.terminal import table

_SECONDS = 10.0  # for an answer
_SHOWN = 60  # characters of a value, in the table
ANSWERS, SPEAKS = "answers", "speaks now"
# What speaks differs between replicas with other cards, and while one loads: it is only told.
_TOLD = (SPEAKS,)
_SOUND = "sound of "  # a speaker without a clip; while CSM loads, or is away, there is none
_MARK = re.compile(r"[+.](words|settings|sound)\.([0-9a-f]{8})\b")

Facts = Mapping[str, str]


def compare(uris: Sequence[str], as_json: bool = False) -> int:
    """Ask all servers and print where they differ; return 0 if nowhere, else 1.

    Raises RequestError for an address that is none.
    """
    found = asyncio.run(ask_all(uris))
    unequal = differences(found)
    same = not any(name not in _TOLD for name in unequal)
    if as_json:
        print(json.dumps({"same": same, "servers": uris, "differences": unequal}, indent=2))
        return 0 if same else 1
    rows = {SPEAKS: [facts.get(SPEAKS, "-") for facts in found], **unequal}
    table(("", *uris), [(name, *map(_short, values)) for name, values in rows.items()])
    voices = sum(name.startswith("voice ") for name in found[0])
    alike = f"All {len(uris)} list the same voices, {voices} of them"
    print(alike if same else "They differ, as said above")
    return 0 if same else 1


async def ask_all(uris: Sequence[str]) -> list[Facts]:
    """Return what each server says of itself; raises RequestError for an address that is none."""
    return list(await asyncio.gather(*map(ask, uris)))


async def ask(uri: str) -> Facts:
    """Return what a server says of itself, by name; why it does not answer, if it does not."""
    try:
        return dict(facts_of(await info_of(uri, _SECONDS)))
    except (OSError, ProtocolError) as error:
        return {ANSWERS: f"no: {why(error)}"}


def facts_of(info: Info) -> Iterator[tuple[str, str]]:
    """Yield what can be told of a server, each with a name that it has on all."""
    yield ANSWERS, "yes"
    yield "programs", ", ".join(program.name for program in info.tts)
    for program in info.tts:
        yield from _of_program(program)


def _of_program(program: TtsProgram) -> Iterator[tuple[str, str]]:
    yield SPEAKS, program.description or ""
    version = program.version or ""
    yield "version", _MARK.sub("", version)
    marks = dict(_MARK.findall(version))  # of what a server that is ours has of its own
    yield "lexicons", marks.get("words", "none")
    yield "settings that are heard", marks.get("settings", "as by default")
    yield "text is streamed", "yes" if program.supports_synthesize_streaming else "no"
    for number, voice in enumerate(program.voices):
        yield f"place {number + 1} in the list", voice.name
    for voice in program.voices:
        yield f"voice {voice.name}", _words(voice)
        if mark := dict(_MARK.findall(voice.version or "")).get("sound"):
            yield f"{_SOUND}{voice.name}", mark


def _words(voice: TtsVoice) -> str:
    speakers = [speaker.name for speaker in voice.speakers or ()]
    parts: tuple[Any, ...] = (
        *(voice.description, " ".join(voice.languages), _MARK.sub("", voice.version or "")),
        " ".join(speakers),
        voice.attribution.name,
    )
    return "; ".join(str(part) for part in parts if part)


def differences(found: Sequence[Facts]) -> dict[str, list[str]]:
    """Return what is not the same on all, by name: the value of each server, "-" without one.

    One that does not answer is told, and the others are compared; of lists in another order the
    first voice that is another is told.
    """
    answering = [facts for facts in found if facts[ANSWERS] == "yes"]
    unequal = {}
    if len(answering) < len(found):
        unequal[ANSWERS] = [facts[ANSWERS] for facts in found]
    for name in dict.fromkeys(name for facts in answering for name in facts):
        if len({facts.get(name, "-") for facts in answering} - _unknown(name)) > 1:
            unequal[name] = [facts.get(name, "-") for facts in found]
    moved = [name for name in unequal if name.startswith("place ")]
    return {name: values for name, values in unequal.items() if name not in moved[1:]}


def _unknown(name: str) -> set[str]:
    """Return what differs from no other value of this name."""
    return {"-"} if name.startswith(_SOUND) else set()


def _short(words: str) -> str:
    return words if len(words) <= _SHOWN else f"{words[: _SHOWN - 1]}…"
