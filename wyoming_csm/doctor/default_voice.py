"""The check of the default voice: is there one of the name that `voice` gives?"""

import difflib
from itertools import chain
from pathlib import Path

from wyoming_csm.app import all_engines
from wyoming_csm.config import Config
from wyoming_csm.doctor.finding import Finding, ok
from wyoming_csm.voice_book import VoiceBook


def check_default_voice(name: str, config: Config) -> Finding:
    """Look for a voice among those of all engines and the presets; nothing is loaded for it."""
    book = VoiceBook(Path(config.voices))
    book.refresh()
    engines = chain.from_iterable(all_engines(config, book).values())
    owners = {voice.name: engine.name for engine in engines for voice in engine.voices}
    known = {*config.presets, *(one for one, owner in owners.items() if owner in config.engines)}
    if name in known:
        return ok("voice", name)
    if name in owners:
        found = f"{name!r} is a voice of {owners[name]}, left out by --light or `engines`"
        return Finding(
            "voice", "warn", found, "let that engine in, or correct `voice` (or --voice)"
        )
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.0)
    cure = f"correct `voice` (or --voice): the nearest name is {', '.join(near)}"
    found = f"there is no voice {name!r}: the first of all is the default"
    return Finding("voice", "warn", found, cure)
