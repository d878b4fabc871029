"""Voices: who can speak, and the folder of recorded ones, found again while running."""

import logging
from pathlib import Path

import msgspec

from wyoming_csm.errors import VoiceError

_LOGGER = logging.getLogger(__name__)

MAX_CLIP_SECONDS = 60.0  # 750 of the 2048 positions: what is longer leaves no room to speak
MAX_VOICES = 200


class Clip(msgspec.Struct, frozen=True):
    """A recording and exactly the words spoken in it."""

    path: str
    text: str


class Voice(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the list a user picks from.

    `engine` names the engine the voice belongs to. `speaker` is CSM's speaker number or a
    multi-speaker model's speaker name; `speakers` are those a request may choose among.
    """

    name: str
    language: str
    description: str
    engine: str
    speaker: str = ""
    speakers: tuple[str, ...] = ()
    clips: tuple[Clip, ...] = ()


class _VoiceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """voice.yaml."""

    language: str = "en"
    description: str = ""
    speaker: int = 0


class VoiceBook:
    """The recorded voices below a folder: `<name>/{clip.wav, clip.txt, voice.yaml}`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, tuple[tuple[str, int, int], ...]] = {}
        self._voices: dict[str, Voice] = {}

    @property
    def voices(self) -> tuple[Voice, ...]:
        """As last read, by name."""
        return tuple(self._voices.values())

    def refresh(self) -> bool:
        """Look at the folder again; True if the voices are others than before.

        Reads only folders whose files changed. A broken folder is one warning, until it changes.
        """
        before = self._voices
        seen: dict[str, tuple[tuple[str, int, int], ...]] = {}
        voices: dict[str, Voice] = {}
        for folder in self._folders():
            stamp = _stamp(folder)
            seen[folder.name] = stamp
            if self._seen.get(folder.name) == stamp:
                if folder.name in before:
                    voices[folder.name] = before[folder.name]
                continue
            try:
                voices[folder.name] = read_voice(folder)
            except VoiceError as error:
                _LOGGER.warning("Voice %r is left out: %s", folder.name, error)
        self._seen, self._voices = seen, voices
        return voices != before

    def _folders(self) -> list[Path]:
        try:
            found = sorted(p for p in self._folder.iterdir() if p.is_dir() and p.name[0] != ".")
        except FileNotFoundError:
            return []
        except OSError as error:
            _LOGGER.warning("The folder of voices cannot be read: %s", error)
            return []
        if len(found) > MAX_VOICES:
            _LOGGER.warning(
                "%s holds %d voices: the first %d are used", *(self._folder, len(found), MAX_VOICES)
            )
        return found[:MAX_VOICES]


def read_voice(folder: Path) -> Voice:
    """The voice in one folder. Raises VoiceError with what is missing or wrong."""
    import soundfile

    settings = _read_settings(folder / "voice.yaml")
    recording = next(iter(sorted(folder.glob("clip.*"), key=_audio_first)), None)
    if recording is None or recording.suffix == ".txt":
        raise VoiceError("clip.wav is missing: put a recording of 10 to 30 seconds there")
    try:
        text = (folder / "clip.txt").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise VoiceError("clip.txt is missing: write the exact words of the clip there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise VoiceError(f"clip.txt cannot be read as UTF-8 text ({error})") from error
    if not text:
        raise VoiceError("clip.txt is empty: write the exact words of the clip there")
    try:
        seconds = float(soundfile.info(recording).duration)
    except (OSError, soundfile.LibsndfileError) as error:
        raise VoiceError(f"{recording.name} is not a recording that can be read") from error
    if not 0 < seconds <= MAX_CLIP_SECONDS:
        raise VoiceError(
            f"{recording.name} lasts {seconds:.1f} s: 10 to 30 s serve best,"
            f" {MAX_CLIP_SECONDS:.0f} s is the most"
        )
    return Voice(
        name=folder.name,
        language=settings.language,
        description=settings.description or folder.name,
        engine="csm",
        speaker=str(settings.speaker),
        clips=(Clip(str(recording), text),),
    )


def _read_settings(path: Path) -> _VoiceFile:
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        return msgspec.convert(found if found is not None else {}, _VoiceFile)
    except FileNotFoundError:
        return _VoiceFile()
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise VoiceError(f"voice.yaml cannot be used: {error}") from error


def _audio_first(path: Path) -> tuple[bool, bool, str]:
    return (path.suffix == ".txt", path.suffix != ".wav", path.name)


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells a changed folder from an unchanged one: names, sizes and times."""
    try:
        stats = [(p.name, p.stat()) for p in sorted(folder.iterdir()) if p.is_file()]
    except OSError:
        return ()
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
