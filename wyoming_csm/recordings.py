"""The files of a recorded voice, as phones, laptops and file managers name and write them: which is
the recording, which are its words, and whether they can be read."""

import codecs
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from wyoming_csm.errors import VoiceError

MIN_SECONDS = 1.0  # what is shorter is a slip of the finger
MAX_SECONDS = 60.0  # 750 of the 2048 positions: what is longer leaves no room to speak
MAX_RATE = 192_000  # Hz
MAX_CHANNELS = 8
MAX_WORDS = 3_000  # characters: far more than a minute holds

# The best first: of several that have the right name it is taken.
READABLE = (
    *(".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc"),
    *(".au", ".snd", ".caf", ".w64", ".rf64"),
)
_UNREADABLE = (
    *(
        ".m4a",
        ".m4b",
        ".m4r",
        ".m4v",
        ".mp4",
        ".aac",
        ".mov",
        ".qt",
        ".3gp",
        ".3ga",
        ".3g2",
        ".amr",
    ),
    *(".awb", ".wma", ".wmv", ".asf", ".avi", ".webm", ".weba", ".mka", ".mkv", ".mpg", ".mpeg"),
    *(".ac3", ".ape", ".mpc", ".qcp", ".ra", ".rm", ".spx", ".tta", ".wv"),
)
_CURE = "this kind cannot be read; convert it to WAV, FLAC, OGG or MP3"
_CONTENTS = (  # of files under a wrong name: where, what, and how people call it
    (4, b"ftyp", "M4A or MP4"),
    (0, b"\x1aE\xdf\xa3", "WebM"),
    (0, b"#!AMR", "AMR"),
    (0, b"0&\xb2u", "WMA"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
)
_UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".filepart", ".tmp")
_TEXTS = (".txt", ".text")
_DOCUMENTS = (".doc", ".docx", ".htm", ".html", ".md", ".odt", ".pages", ".pdf", ".rtf")
_SETTINGS = ("voice.yaml", "voice.yml", "voice.json", "voice.yaml.txt", "voice.yml.txt")
_OTHER_TEXTS = ("readme", "license", "licence", "notes", "source", "credits")
_JUNK = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")
_SHOWN = 3  # names in a complaint
# What Windows wrote texts in before UTF-8, by primary language; all others: 1252.
_CODE_PAGES = {
    "cp1250": "pl cs sk hu sl hr ro bs sq",
    "cp1251": "ru uk be bg mk sr kk",
    "cp1253": "el",
    "cp1254": "tr az",
    "cp1257": "et lv lt",
}
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def files_in(folder: Path) -> list[Path]:
    """By name, without what file managers leave behind. Raises VoiceError."""
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise VoiceError(f"the folder cannot be read: {error.strerror}") from error
    return [p for p in found if p.name[0] not in ".~" and p.name.lower() not in _JUNK]


def is_recording(path: Path) -> bool:
    """By its name, also of a kind that cannot be read."""
    return _kind(path) in READABLE or _kind(path) in _UNREADABLE


def find_recording(files: Sequence[Path]) -> Path:
    """`clip` of any kind, or what is called like it, or the only one. Raises VoiceError."""
    sounds = [path for path in files if _kind(path) in READABLE]
    named = [path for path in sounds if _base(path) == "clip"]
    if named:
        return min(named, key=lambda p: (p.stem.lower() != "clip", READABLE.index(_kind(p)), p))
    foreign = [path for path in files if _kind(path) in _UNREADABLE]
    foreign.sort(key=lambda path: _base(path) != "clip")
    if foreign and (_base(foreign[0]) == "clip" or not sounds):
        raise VoiceError(f"found {_names(foreign[:1])}: {_CURE}")
    sounds = [path for path in sounds if _base(path).startswith("clip")] or sounds
    if len(sounds) > 1:
        raise VoiceError(f"several recordings ({_names(sounds)}): call the right one clip.wav")
    if sounds:
        return sounds[0]
    unfinished = [path for path in files if path.name.lower().endswith(_UNFINISHED)]
    if unfinished:
        raise VoiceError(f"{_names(unfinished[:1])} is not copied to its end")
    there = f" (there is {_names(files)})" if files else ""
    raise VoiceError(f"clip.wav is missing{there}: put a recording of 10 to 30 seconds there")


def find_words(files: Sequence[Path], recording: Path) -> Path:
    """The text of the recording's name, or `clip.txt`, or the only text. Raises VoiceError."""
    texts: dict[str, Path] = {}
    for path in files:
        if _kind(path) in _TEXTS:
            texts.setdefault(_without_txt(path), path)
    for name in (recording.stem, recording.name, _base(recording), "clip"):
        if name.lower() in texts:
            return texts[name.lower()]
    others = [path for name, path in texts.items() if name not in _OTHER_TEXTS]
    if len(others) > 1:
        raise VoiceError(f"several texts ({_names(others)}): call the clip's words clip.txt")
    if others:
        return others[0]
    for path in files:
        if _kind(path) in _DOCUMENTS and _base(path) not in _OTHER_TEXTS:
            raise VoiceError(
                f"found {_names([path])}: save the clip's words as plain text, clip.txt"
            )
    raise VoiceError("clip.txt is missing: write the exact words of the clip there")


def find_settings(files: Sequence[Path]) -> Path | None:
    """voice.yaml, however it is spelled; None without one."""
    by_name = {path.name.lower(): path for path in files}
    return next((by_name[name] for name in _SETTINGS if name in by_name), None)


def check_recording(path: Path) -> None:
    """Whether it can be read, by its first bytes. Raises VoiceError."""
    import soundfile

    name = _names([path])
    if not path.is_file():
        raise VoiceError(f"{name} is not a file")
    try:
        with path.open("rb") as file:
            head = file.read(16)
        if not head:
            raise VoiceError(f"{name} is empty: copy it again")
        info = soundfile.info(path)
    except OSError as error:
        raise VoiceError(f"{name} cannot be read: {error.strerror}") from error
    except soundfile.LibsndfileError as error:
        for at, magic, kind in _CONTENTS:
            if head[at:].startswith(magic):
                raise VoiceError(f"{name} is really {kind}: {_CURE}") from error
        raise VoiceError(
            f"{name} is not a recording that can be read: convert it to WAV, FLAC, OGG or MP3"
        ) from error
    if not (0 < info.samplerate <= MAX_RATE and info.channels <= MAX_CHANNELS):
        raise VoiceError(
            f"{name} has {info.channels} channels at {info.samplerate} Hz:"
            f" {MAX_CHANNELS} channels at {MAX_RATE} Hz are the most"
        )
    seconds = info.frames / info.samplerate
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise VoiceError(
            f"{name} lasts {seconds:.1f} s: 10 to 30 s serve best,"
            f" {MIN_SECONDS:.0f} to {MAX_SECONDS:.0f} s are allowed"
        )


def read_words(path: Path, language: str) -> str:
    """In one line. UTF-8, UTF-16, or what Windows wrote the language in. Raises VoiceError."""
    name = _names([path])
    try:
        if path.exists() and not path.is_file():  # reading a pipe would wait for ever
            raise VoiceError(f"{name} is not a file")
        with path.open("rb") as file:
            data = file.read(4 * MAX_WORDS + 4)
    except OSError as error:
        raise VoiceError(f"{name} cannot be read: {error.strerror}") from error
    try:
        text = unicodedata.normalize("NFC", _decode(data, language))
    except UnicodeDecodeError:
        raise VoiceError(f"{name} is not UTF-8 text") from None
    text = " ".join(text.replace("\ufeff", "").split())
    if not text:
        raise VoiceError(f"{name} is empty: write the exact words of the clip there")
    if len(text) > MAX_WORDS:
        raise VoiceError(f"{name} is longer than {MAX_WORDS} characters")
    if data.startswith(b"{\\rtf") or not all(
        c.isprintable() or c in "\u200c\u200d\xad" for c in text
    ):
        raise VoiceError(f"{name} is no plain text: save the exact words of the clip as such")
    return text


def _decode(data: bytes, language: str) -> str:
    """Raises UnicodeDecodeError."""
    if data.startswith(_UTF_16):
        return data.decode("utf-16", errors="ignore" if len(data) > 4 * MAX_WORDS else "strict")
    if data[1:2] == b"\0":  # the same without its mark
        return data.decode("utf-16-le", errors="ignore" if len(data) % 2 else "strict")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if len(data) > 4 * MAX_WORDS:  # too long in any case, and cut perhaps within a letter
            return data.decode("utf-8-sig", errors="ignore")
    primary = language.replace("_", "-").lower().partition("-")[0]
    pages = (page for page, languages in _CODE_PAGES.items() if primary in languages.split())
    return data.decode(next(pages, "cp1252"))


def _kind(path: Path) -> str:
    return path.suffix.lower()


def _base(path: Path) -> str:
    """`clip` of Clip.WAV, clip.wav.wav and clip.mp3."""
    return path.name.partition(".")[0].lower()


def _without_txt(path: Path) -> str:
    """Windows hides the ending: some write another."""
    name = path.name.lower()
    while name.endswith(_TEXTS):
        name = name.rpartition(".")[0]
    return name


def _names(paths: Sequence[Path]) -> str:
    """Some of them, as a log can bear it."""
    shown = [p.name if p.name.isprintable() else ascii(p.name) for p in paths[:_SHOWN]]
    return ", ".join([*shown, "…"] if len(paths) > _SHOWN else shown)
