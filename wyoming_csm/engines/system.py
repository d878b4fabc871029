"""The system voice as the server sees it: one voice for each language; the work is the child's."""

from importlib import invalidate_caches

from wyoming_csm.config import Config
from wyoming_csm.engines.child_engine import ChildEngine, first_message
from wyoming_csm.engines.watchdog import Timeouts
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.voice_choice import of_language
from wyoming_csm.voices import Voice
from wyoming_csm.worker.system.languages import (
    ESPEAK,
    PICO,
    PLATFORM,
    Language,
    find_synthesisers,
    languages,
)


def system_engine(config: Config) -> ChildEngine:
    """Not started yet. Its first voice speaks the configured language."""
    configure = first_message(config, "system")
    voices = system_voices(config.language)
    return ChildEngine(configure, voices=lambda: voices, probe=_probe, patience=Timeouts())


def system_voices(language: str) -> tuple[Voice, ...]:
    """One for each language that can be spoken here; that of `language` is the first."""
    try:
        found = find_synthesisers()
    except EngineUnavailable:
        found = (PICO, ESPEAK)  # names never vanish
    voices = tuple(
        Voice(
            name=spoken.voice_name,
            language=spoken.tag,
            description=f"{spoken.title}, {by}",
            engine="system",
        )
        for spoken in languages()
        if (by := _spoken_by(spoken, found))
    )
    first = of_language(voices, language)[:1]
    return tuple(sorted(voices, key=lambda voice: voice not in first))


def _spoken_by(language: Language, found: tuple[str, ...]) -> str:
    if language.pico and PICO in found:
        return PICO
    return next((name for name in (ESPEAK, PLATFORM) if name in found), "")


def _probe() -> None:
    invalidate_caches()  # it may have been installed while the server ran
    find_synthesisers()
