"""Which names a recorded voice may have: on every disk, and beside all else that has a name."""

import unicodedata

from wyoming_csm.config import Config
from wyoming_csm.errors import RequestError
from wyoming_csm.voice_book import NO_VOICES

FORBIDDEN = frozenset('/\\:*?"<>|')  # on some disk
_LONGEST_NAME = 60  # characters
_OTHERS = ("system_", "coqui_", "speaker_")  # the engines' own voices begin so
_TAKEN = ("default", *NO_VOICES)


def checked_name(config: Config, name: str) -> str:
    """Return the name as folders and Home Assistant have it. Raises RequestError."""
    name = unicodedata.normalize("NFC", name)
    odd = not name.isprintable() or name != name.strip() or name.endswith(".")
    if not name or odd or name[0] in ".~-" or FORBIDDEN & set(name):
        raise RequestError(
            f"{name!a} is no name for a voice: use letters, digits, spaces, _ and -,"
            " with a letter or a digit first and last"
        )
    if len(name) > _LONGEST_NAME:
        raise RequestError(f"the name has {len(name)} characters: {_LONGEST_NAME} are allowed")
    if name.startswith(_OTHERS) or name.lower() in _TAKEN:
        raise RequestError(f"{name!r} is the name of something else: choose another")
    if name in config.presets:
        raise RequestError(f"{name!r} is a preset: choose another name")
    return name
