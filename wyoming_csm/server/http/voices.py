"""The voices, for the page: what there is, what is made of recordings, renamed and taken away."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from wyoming_csm.config import Config
from wyoming_csm.errors import StoreError
from wyoming_csm.server.http.bodies import read_json
from wyoming_csm.server.http.house import House, house_of
from wyoming_csm.server.http.problems import Refused
from wyoming_csm.server.http.respond import json_answer
from wyoming_csm.server.http.uploads import upload
from wyoming_csm.transcription import transcribe
from wyoming_csm.voice_choice import default_first, primary_of, standard_tag
from wyoming_csm.voice_files import judge_clip, judge_voice, temporary
from wyoming_csm.voice_folders import (
    NO_ENGINE,
    check_new,
    discard,
    is_there,
    presets_of,
    put_voice,
    rename,
)
from wyoming_csm.voices import Voice
from wyoming_csm.worker.csm.speaker_files import reroll

_T = TypeVar("_T")
_MOST_WORDS = 4_000  # characters of a clip's words


class VoiceEntry(msgspec.Struct, frozen=True):
    """A voice: made of a recording, a preset of the configuration, or an engine's own. `fault`
    says why it cannot be used, `rerolls` that chance gave it its sound and may give it another."""

    name: str
    language: str
    description: str
    engine: str
    kind: Literal["recorded", "preset", "engine"]
    speakers: tuple[str, ...]
    fault: str
    rerolls: bool


class VoiceEntries(msgspec.Struct, frozen=True):
    """The list of voices, the default one first."""

    voices: list[VoiceEntry]


class NewName(msgspec.Struct, frozen=True):
    """A new name for a voice."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]


class Changed(msgspec.Struct, frozen=True):
    """What became of a voice: its name, what should be known of it, presets that lost it."""

    name: str
    seconds: float | None = None
    doubts: tuple[str, ...] = ()
    lost_presets: tuple[str, ...] = ()


class Judged(msgspec.Struct, frozen=True):
    """A recording, judged: seconds of it that would be used, what would be changed, and what
    people would hear in the voice that no change can mend."""

    seconds: float
    changes: tuple[str, ...]
    doubts: tuple[str, ...]


class Transcript(msgspec.Struct, frozen=True):
    """The words of a recording."""

    text: str


async def listed(request: web.Request) -> web.Response:
    """Answer GET /api/voices."""
    house = house_of(request)
    voices = default_first(house.answers.engine.voices, house.config)
    voices += await house.voices_without_engine()
    return json_answer(VoiceEntries([_entry(voice) for voice in voices]))


async def made(request: web.Request) -> web.Response:
    """Answer POST /api/voices/NAME: a recording becomes a voice."""
    house = house_of(request)
    async with upload(request) as found:
        words = found.fields.get("text", "").strip()
        if not words:
            raise Refused(
                HTTPStatus.BAD_REQUEST, "text: exactly the words of the recording", param="text"
            )
        if len(words) > _MOST_WORDS:
            raise Refused(
                HTTPStatus.BAD_REQUEST, f"text: {_MOST_WORDS} characters at most", param="text"
            )
        replacing = found.fields.get("replace", "") in ("1", "true", "on", "yes")
        language = found.fields.get("language") or house.config.language
        config, name = house.config, _name(request)
        await _change(house, config.voices, partial(check_new, config, name, replacing))
        with temporary() as files:
            judge = partial(judge_voice, config, files, found.clip, words, language)
            judged = await house.judging.run(judge)
            put = partial(put_voice, config, name, judged, replacing)
            made = await _change(house, config.voices, put)
    await house.look_again()
    unspoken = () if "csm" in house.config.engines else (NO_ENGINE,)
    changed = Changed(made.name, round(made.seconds, 2), (*made.doubts, *unspoken))
    return json_answer(changed, HTTPStatus.CREATED)


async def removed(request: web.Request) -> web.Response:
    """Answer DELETE /api/voices/NAME."""
    house, name = house_of(request), _name(request)
    await _change(house, house.config.voices, partial(_discard, house.config, name))
    await house.look_again()
    return json_answer(Changed(name, lost_presets=tuple(presets_of(house.config, name))))


async def renamed(request: web.Request) -> web.Response:
    """Answer POST /api/voices/NAME/rename."""
    house, name = house_of(request), _name(request)
    wish = await read_json(request, NewName)
    change = partial(_rename, house.config, name, wish.name)
    new = await _change(house, house.config.voices, change)
    await house.look_again()
    return json_answer(Changed(new, lost_presets=tuple(presets_of(house.config, name))))


async def rerolled(request: web.Request) -> web.Response:
    """Answer POST /api/voices/NAME/reroll: a speaker without a clip gets another voice."""
    house, name = house_of(request), _name(request)
    found = next((one for one in house.answers.engine.voices if one.name == name), None)
    if found is None or not is_by_chance(found):
        raise Refused(
            HTTPStatus.NOT_FOUND, f"{name[:100]!r} is no speaker without a recording: it stays"
        )
    folder = str(house.config.speakers_dir)
    try:
        await _change(house, folder, partial(reroll, Path(folder), int(found.speaker)))
    except OSError as error:
        raise StoreError.of(f"{folder} cannot be written", error, folder) from error
    return json_answer(Changed(name))


async def judged(request: web.Request) -> web.Response:
    """Answer POST /api/clips/judge."""
    house = house_of(request)
    async with upload(request) as found:
        clip = await house.judging.run(partial(judge_clip, house.config, found.clip))
    return json_answer(Judged(round(clip.seconds, 2), clip.changes, clip.doubts))


async def transcribed(request: web.Request) -> web.Response:
    """Answer POST /api/clips/transcribe."""
    house = house_of(request)
    if house.config.http.asr is None:
        raise Refused(
            HTTPStatus.CONFLICT,
            "no speech-to-text server is configured (http: {asr: tcp://HOST:10300}): write the"
            " words yourself",
        )
    async with upload(request) as found:
        clip = await house.judging.run(partial(judge_clip, house.config, found.clip))
        language = found.fields.get("language") or house.config.language
    words = await transcribe(house.config.http.asr, clip.sound, primary_of(standard_tag(language)))
    return json_answer(Transcript(words))


def _entry(voice: Voice) -> VoiceEntry:
    kind: Literal["recorded", "preset", "engine"] = "engine"
    if voice.base:
        kind = "preset"
    elif is_recorded(voice):
        kind = "recorded"
    return VoiceEntry(
        voice.name, voice.language, voice.description.strip(), voice.engine, kind,
        voice.speakers, voice.fault, is_by_chance(voice),
    )  # fmt: skip


def is_recorded(voice: Voice) -> bool:
    """Tell whether a voice is made of a recording, also if that cannot be used."""
    return not voice.base and voice.engine == "csm" and bool(voice.clips or voice.fault)


def is_by_chance(voice: Voice) -> bool:
    """Tell whether a voice is a speaker of CSM without a recording, whose sound a seed decides."""
    alone = not voice.base and not is_recorded(voice)
    return alone and voice.engine == "csm" and voice.speaker.isdecimal()


async def _change(house: House, folder: str, change: Callable[[], _T]) -> _T:
    """Change something below a folder. Raises what that does, and StoreError if its disk does not
    answer."""
    try:
        return await house.changes.ask(Path(folder), change)
    except TimeoutError as error:
        raise StoreError(f"{error}: this may still be done, as soon as it does") from error


def _discard(config: Config, name: str) -> None:
    _check_recorded(config, name)
    discard(config, name)


def _rename(config: Config, name: str, new_name: str) -> str:
    _check_recorded(config, name)
    return rename(config, name, new_name)


def _check_recorded(config: Config, name: str) -> None:
    """Raise Refused where there is no recorded voice of this name."""
    if not is_there(config, name):
        raise Refused(HTTPStatus.NOT_FOUND, f"there is no recorded voice {name[:100]!r}")


def _name(request: web.Request) -> str:
    return request.match_info["name"]
