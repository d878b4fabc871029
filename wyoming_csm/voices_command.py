"""`wyoming-csm voices`: what is in the folder of voices, what goes in and out of it; and another
voice for a speaker without one."""

import asyncio
import os
import shutil
import sys
import unicodedata
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import yaml
from msgspec.structs import replace

from wyoming_csm.app import make_data_dir
from wyoming_csm.clip_pace import pace_of
from wyoming_csm.config import Config
from wyoming_csm.errors import RequestError, VoiceError
from wyoming_csm.recordings import is_recording, read_voice
from wyoming_csm.say import speak_into
from wyoming_csm.transcription import transcribe
from wyoming_csm.voice_book import NO_VOICES, VoiceBook
from wyoming_csm.voice_choice import primary_of, standard_tag
from wyoming_csm.voice_state import mended, seconds_of, state_of
from wyoming_csm.voices import BARE_SPEAKERS, Voice
from wyoming_csm.worker.csm.speaker_files import reroll
from wyoming_csm.worker.system.further_voices import FURTHER, fetch, fetched

_CONSENT = "Use only the voice of a person who agrees to it."
_FORBIDDEN = frozenset('/\\:*?"<>|')  # on some disk
_LONGEST_NAME = 60  # characters
_OTHERS = ("system_", "coqui_", "speaker_")  # the engines' own voices begin so
_TAKEN = ("default", *NO_VOICES)
_SENTENCES = {
    "en": "Good morning. It is half past seven, and the kitchen light is on. Shall I turn it off?",
    "de": "Guten Morgen. Es ist halb acht, und das Licht in der Küche ist an. Soll ich es"
    " ausschalten?",
    "es": "Buenos días. Son las siete y media, y la luz de la cocina está encendida. ¿La apago?",
    "fr": "Bonjour. Il est sept heures et demie, et la lumière de la cuisine est allumée. Faut-il"
    " l'éteindre ?",
    "it": "Buongiorno. Sono le sette e mezza, e la luce della cucina è accesa. La spengo?",
    "nl": "Goedemorgen. Het is half acht, en het licht in de keuken is aan. Zal ik het uitdoen?",
}


@dataclass(frozen=True)
class NewVoice:
    """What a user gives for a new voice; without `text` and `asr` a text beside the clip counts."""

    name: str
    clip: Path
    language: str
    text: str | None = None
    asr: str | None = None
    replace: bool = False


def run(config: Config, words: Namespace) -> int:
    """Do what the command line says; return the exit code. Raises WyomingCsmError."""
    match words.action:
        case "list":
            list_voices(config)
        case "add":
            language = words.spoken_language or config.language
            new = NewVoice(words.name, words.clip, language, words.text, words.asr, words.replace)
            asyncio.run(add_voice(config, new))
        case "remove":
            remove_voice(config, words.name)
        case "reroll":
            reroll_voice(config, words.name)
        case "fetch":
            fetch_voices(config, words.names)
        case "preview":
            return asyncio.run(preview(config, words.name, words.output))
    return 0


def fetch_voices(config: Config, names: Sequence[str]) -> None:
    """Fetch these of Hibari's further voices, or all, into the folder of models. Raises
    VoiceError."""
    further = {one.name: one for one in FURTHER}
    for name in names or further:
        if name not in further:
            raise VoiceError(f"there is no voice {name!r} to fetch: {', '.join(further)}")
        one = further[name]
        if name in fetched(config.models_dir):
            print(f"{name} is here")
        else:
            fetch(one, config.models_dir, print)


def list_voices(config: Config) -> None:
    """Print the recorded voices and the presets, each with what is wrong with it."""
    book = VoiceBook(Path(config.voices))
    book.refresh()
    for voice in book.voices:
        print(f"{voice.name}  {voice.language}  {state_of(config, voice)}")
    for name, preset in config.presets.items():
        print(f"{name}  preset of {preset.voice}")
    if not book.voices:
        _tell(f"There is no recorded voice in {config.voices}: see `wyoming-csm voices add`")


async def add_voice(config: Config, new: NewVoice) -> None:
    """Make a folder of a clip and its words, which appears whole or not at all.

    Raises RequestError, VoiceError.
    """
    name = _checked_name(config, new.name)
    folder = Path(config.voices)
    if not new.clip.is_file():
        raise RequestError(f"there is no file {new.clip}")
    if _is_there(folder, name) and not new.replace:
        raise RequestError(f"there is a voice {name!r}: give another name, or --replace")
    _tell(_CONSENT)
    with _made_aside(folder, name) as aside:
        _fill(aside, new, _words_given(new) or "To be understood.")
        clips = mended(config, read_voice(aside))
        if not _words_given(new):
            language = primary_of(standard_tag(new.language))  # all that such servers know
            words = await transcribe(new.asr or "", clips[0].samples, language)
            _tell(f"Understood: {words}")
            _fill(aside, new, words)
        pace = pace_of(read_voice(aside).clips[0].text, seconds_of(clips))
        if pace.impossible:
            raise VoiceError(pace.doubt)
        _put(aside, folder / name)
    for doubt in (*clips[0].doubts, *filter(None, [pace.doubt])):
        _tell(f"Take care: {doubt}")
    print(
        f"{name}: {seconds_of(clips):.1f} s, {new.language}. A running server lists it in seconds."
    )


def remove_voice(config: Config, name: str) -> None:
    """Take a voice's folder away, all at once. Raises RequestError."""
    name = unicodedata.normalize("NFC", name)
    found = [path for path in _folders(Path(config.voices)) if _name(path) == name]
    if not found:
        raise RequestError(f"there is no voice {name!r} in {config.voices}")
    try:
        if found[0].is_symlink():
            found[0].unlink()
        else:
            _discard(found[0])
    except OSError as error:
        raise RequestError(f"{found[0]} cannot be removed: {error.strerror}") from error
    for preset, settings in config.presets.items():
        if settings.voice == name:
            _tell(f"The preset {preset} is made of it and cannot be used now.")
    print(f"{name} is removed.")


def reroll_voice(config: Config, name: str) -> None:
    """Let a speaker without a clip get another voice. Raises RequestError, ConfigError."""
    speakers = [f"speaker_{number}" for number in range(BARE_SPEAKERS)]
    only = f"only {speakers[0]} to {speakers[-1]} can get another voice"
    if name in config.presets:
        raise RequestError(f"{name!r} is a preset of {config.presets[name].voice!r}: {only}")
    if _is_there(Path(config.voices), unicodedata.normalize("NFC", name)):
        raise RequestError(
            f"{name!r} is a recorded voice, it sounds like its clip: `voices add {name} CLIP"
            f" --replace` gives it another; else {only}"
        )
    if name not in speakers:
        raise RequestError(f"{name!r} cannot get another voice: {only}")
    if "csm" not in config.engines:
        raise RequestError(f"{name} is a voice of CSM, left out by --light or `engines`")
    try:
        reroll(Path(make_data_dir(config.data_dir)), speakers.index(name))
    except OSError as error:
        raise RequestError(f"{error.filename}: {error.strerror}") from error
    print(
        f"{name} gets another voice. A running server makes it in its next quiet moment, and speaks"
        " as before until then."
    )


async def preview(config: Config, name: str, output: str | None) -> int:
    """Speak a sentence in a voice into a WAV file. Raises RequestError, EngineError."""

    def sentence(voice: Voice) -> str:
        return _SENTENCES.get(primary_of(standard_tag(voice.language)), _SENTENCES["en"])

    safe = "".join("_" if c in _FORBIDDEN else c for c in name)
    config = replace(config, voice=name)
    return await speak_into(config, sentence, output or f"{safe}.wav", exactly=True)


def _checked_name(config: Config, name: str) -> str:
    """Return the name as folders and Home Assistant have it. Raises RequestError."""
    name = unicodedata.normalize("NFC", name)
    odd = not name.isprintable() or name != name.strip() or name.endswith(".")
    if not name or odd or name[0] in ".~-" or _FORBIDDEN & set(name):
        raise RequestError(f"{name!a} is no name for a voice: use letters, digits, _ and -")
    if len(name) > _LONGEST_NAME:
        raise RequestError(f"the name has {len(name)} characters: {_LONGEST_NAME} are allowed")
    if name.startswith(_OTHERS) or name.lower() in _TAKEN:
        raise RequestError(f"{name!r} is the name of something else: choose another")
    if name in config.presets:
        raise RequestError(f"{name!r} is a preset: choose another name")
    return name


def _words_given(new: NewVoice) -> str | None:
    """Return the clip's words if the user gave them; None: a server is to be asked.

    Raises RequestError, VoiceError.
    """
    if new.text is not None and not new.text.strip():
        raise VoiceError("the words in --text are empty: give those that are spoken in the clip")
    beside = new.clip.with_suffix(".txt")
    if new.text is not None or new.asr is not None:
        return new.text
    if beside.is_file():
        return beside.read_text(encoding="utf-8-sig", errors="replace")[:4_000]
    raise RequestError(
        'the words of the clip are missing: --text "…", --asr tcp://HOST:10300, or a file'
        f" {beside.name} beside it"
    )


def _fill(folder: Path, new: NewVoice, words: str) -> None:
    clip = folder / f"clip{new.clip.suffix.lower() or '.wav'}"
    if not is_recording(clip):
        raise VoiceError(f"{new.clip.name} is not a recording: WAV, FLAC, OGG or MP3 serve")
    if not clip.exists():
        shutil.copyfile(new.clip, clip)
    (folder / "clip.txt").write_text(f"{words}\n", encoding="utf-8")
    settings = yaml.safe_dump({"language": new.language}, allow_unicode=True)
    (folder / "voice.yaml").write_text(settings, encoding="utf-8")


@contextmanager
def _made_aside(folder: Path, name: str) -> Iterator[Path]:
    """Make a hidden folder, which no server takes for a voice, and leave nothing of it.

    Raises RequestError.
    """
    aside = folder / f".{name}.{os.getpid()}"
    try:
        aside.mkdir(parents=True)
        yield aside
    except OSError as error:
        raise RequestError(f"{error.filename or folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _put(aside: Path, folder: Path) -> None:
    """Let the folder appear whole; one that was there goes, and comes back if that fails."""
    there = [path for path in _folders(folder.parent) if _name(path) == folder.name]
    before = folder.parent / f".{folder.name}.{os.getpid()}.before"
    for path in there[:1]:
        path.rename(before)
    try:
        aside.rename(folder)
    except OSError:
        for path in there[:1]:
            before.rename(path)
        raise
    if before.is_symlink():
        before.unlink()
    shutil.rmtree(before, ignore_errors=True)


def _discard(folder: Path) -> None:
    hidden = folder.parent / f".{folder.name}.{os.getpid()}"
    folder.rename(hidden)
    shutil.rmtree(hidden)


def _folders(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(path for path in folder.iterdir() if path.name[0] != "." and path.is_dir())
    return []


def _is_there(folder: Path, name: str) -> bool:
    return os.path.lexists(folder / name) or name in map(_name, _folders(folder))


def _name(folder: Path) -> str:
    return unicodedata.normalize("NFC", folder.name)


def _tell(words: str) -> None:
    """Tell a person, beside what the command prints."""
    print(words, file=sys.stderr)
