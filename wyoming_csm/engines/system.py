"""The system voice as the server sees it: voices by language; the work is the child's."""

from collections.abc import Collection
from functools import lru_cache, partial
from importlib import invalidate_caches

from wyoming_csm.config import Config
from wyoming_csm.engines.child_engine import ChildEngine, first_message
from wyoming_csm.engines.watchdog import Timeouts
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.voice_choice import of_language
from wyoming_csm.voices import Voice
from wyoming_csm.worker.system.further_voices import Fetched
from wyoming_csm.worker.system.languages import (
    ESPEAK,
    HIBARI,
    PICO,
    RATES,
    find_synthesisers,
    languages,
)


def system_engine(config: Config) -> ChildEngine:
    """Make the engine; it is not started. Its first voice speaks the configured language."""
    configure = first_message(config, "system")
    made = lru_cache(maxsize=1)(partial(system_voices, config.language, config.system.speed))
    fetched = Fetched(config.models_dir)
    return ChildEngine(
        configure,
        voices=lambda: made(further=fetched.names),
        look=fetched.look,
        probe=_probe,
        patience=Timeouts(),
    )


def system_voices(
    language: str, speed: float = 1.0, further: Collection[str] = ()
) -> tuple[Voice, ...]:
    """Return a voice for each language that can be spoken here, that of `language` first; and
    those `further` ones of Hibari's that were fetched; `speed` is the configured one."""
    try:
        found = find_synthesisers()
    except EngineUnavailable:
        found = (HIBARI, PICO, ESPEAK)  # names never vanish
    voices = tuple(
        Voice(
            name=spoken.name,
            language=spoken.tag,
            description=f"{spoken.title}, {by}",
            engine="system",
            rates=RATES[by],
            speed=speed,
        )
        for spoken in languages(further if HIBARI in found else ())
        if (by := next((name for name in found if name in spoken.codes), ""))
    )
    first = of_language(voices, language)[:1]
    return tuple(sorted(voices, key=lambda voice: voice not in first))


def _probe() -> None:
    invalidate_caches()  # it may have been installed while the server ran
    find_synthesisers()
