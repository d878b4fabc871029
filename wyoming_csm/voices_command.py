"""`wyoming-csm voices`: what is in the folder of voices, what goes in and out of it; and another
voice for a speaker without one."""

import asyncio
import os
import stat
import sys
import unicodedata
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from wyoming_csm.app import make_data_dir
from wyoming_csm.config import Config
from wyoming_csm.errors import ABSENT, RequestError, StoreError, VoiceError
from wyoming_csm.say import speak_into
from wyoming_csm.transcription import transcribe
from wyoming_csm.voice_book import VoiceBook
from wyoming_csm.voice_choice import primary_of, standard_tag
from wyoming_csm.voice_files import judge_clip
from wyoming_csm.voice_folders import check_new, discard, is_there, make_voice, presets_of
from wyoming_csm.voice_names import FORBIDDEN
from wyoming_csm.voice_state import state_of
from wyoming_csm.voices import BARE_SPEAKERS, Voice
from wyoming_csm.worker.csm.speaker_files import reroll
from wyoming_csm.worker.system.further_voices import FURTHER, fetch, fetched

_CONSENT = "Use only the voice of a person who agrees to it."
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
    """Make a voice of a clip and its words, which appears whole or not at all.

    Raises RequestError, VoiceError.
    """
    check_new(config, new.name, new.replace)
    if not _is_readable(new.clip):
        raise RequestError(f"there is no file {new.clip}")
    words = _words_given(new)
    _tell(_CONSENT)
    if words is None:
        clip = judge_clip(config, new.clip)
        language = primary_of(standard_tag(new.language))  # all that such servers know
        words = await transcribe(new.asr or "", clip.sound, language)
        _tell(f"Understood: {words}")
    made = make_voice(config, new.name, new.clip, words, new.language, new.replace)
    for doubt in made.doubts:
        _tell(f"Take care: {doubt}")
    print(
        f"{made.name}: {made.seconds:.1f} s, {new.language}. A running server lists it in seconds."
    )


def remove_voice(config: Config, name: str) -> None:
    """Take a voice's folder away, all at once. Raises RequestError."""
    discard(config, name)
    for preset in presets_of(config, name):
        _tell(f"The preset {preset} is made of it and cannot be used now.")
    print(f"{unicodedata.normalize('NFC', name)} is removed.")


def reroll_voice(config: Config, name: str) -> None:
    """Let a speaker without a clip get another voice. Raises RequestError, ConfigError,
    StoreError."""
    speakers = [f"speaker_{number}" for number in range(BARE_SPEAKERS)]
    only = f"only {speakers[0]} to {speakers[-1]} can get another voice"
    if name in config.presets:
        raise RequestError(f"{name!r} is a preset of {config.presets[name].voice!r}: {only}")
    if is_there(config, name):
        raise RequestError(
            f"{name!r} is a recorded voice, it sounds like its clip: `voices add {name} CLIP"
            f" --replace` gives it another; else {only}"
        )
    if name not in speakers:
        raise RequestError(f"{name!r} cannot get another voice: {only}")
    if "csm" not in config.engines:
        raise RequestError(f"{name} is a voice of CSM, left out by --light or `engines`")
    try:
        config = replace(config, data_dir=make_data_dir(config.data_dir))
        reroll(config.speakers_dir, speakers.index(name))
    except OSError as error:
        folder = str(config.speakers_dir)
        raise StoreError.of(f"{folder} cannot be written", error, folder) from error
    print(
        f"{name} gets another voice. A running server makes it in its next quiet moment, and speaks"
        " as before until then."
    )


async def preview(config: Config, name: str, output: str | None) -> int:
    """Speak a sentence in a voice into a WAV file. Raises RequestError, EngineError."""

    def sentence(voice: Voice) -> str:
        return _SENTENCES.get(primary_of(standard_tag(voice.language)), _SENTENCES["en"])

    safe = "".join("_" if c in FORBIDDEN else c for c in name)
    config = replace(config, voice=name)
    return await speak_into(config, sentence, output or f"{safe}.wav", exactly=True)


def _words_given(new: NewVoice) -> str | None:
    """Return the clip's words if the user gave them; None: a server is to be asked.

    Raises RequestError, VoiceError.
    """
    if new.text is not None and not new.text.strip():
        raise VoiceError("the words in --text are empty: give those that are spoken in the clip")
    beside = new.clip.with_suffix(".txt")
    if new.text is not None or new.asr is not None:
        return new.text
    if _is_readable(beside):
        return beside.read_text(encoding="utf-8-sig", errors="replace")[:4_000]
    raise RequestError(
        'the words of the clip are missing: --text "…", --asr tcp://HOST:10300, or a file'
        f" {beside.name} beside it"
    )


def _is_readable(path: Path) -> bool:
    """Tell whether there is a file. Raises RequestError if it may not, or cannot, be read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        path.open("rb").close()
    except ABSENT:
        return False
    except OSError as error:
        cure = f": let user {os.geteuid()} read it, and enter its folder (`chmod`, `chown`)"
        may_not = isinstance(error, PermissionError)
        raise RequestError(
            f"{path} cannot be read: {error.strerror}{cure if may_not else ''}"
        ) from error
    return True


def _tell(words: str) -> None:
    """Tell a person, beside what the command prints."""
    print(words, file=sys.stderr)
