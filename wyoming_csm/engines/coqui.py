"""Coqui as the server sees it: a voice for each configured language; the work is the child's."""

from wyoming_csm.config import Config, CoquiConfig
from wyoming_csm.engines.child_engine import ChildEngine, first_message
from wyoming_csm.engines.watchdog import Timeouts
from wyoming_csm.installer import require
from wyoming_csm.voices import Voice

# Imported as → installed as. Not among coqui-tts's own requirements: torchcodec, which it wants to
# see beside torch 2.9 and later, and six, which it imports.
_PACKAGES = {"torch": "torch", "TTS": "coqui-tts", "torchcodec": "torchcodec", "six": "six"}


def coqui_engine(config: Config) -> ChildEngine:
    """Make the engine; it is not started."""
    voices = _voices(config.coqui)
    configure = first_message(config, "coqui", voices)
    return ChildEngine(configure, voices=lambda: voices, probe=probe, patience=Timeouts())


def _voices(settings: CoquiConfig) -> tuple[Voice, ...]:
    """Return a voice for each model, in the configuration's order; loading tells its speakers."""
    if settings.checkpoint:
        return (_voice(settings.checkpoint_language, "your model"),)
    return tuple(
        _voice(language, name.removeprefix("tts_models/"))
        for language, name in settings.models.items()
    )


def _voice(language: str, model: str) -> Voice:
    return Voice(
        name=f"coqui_{language}", language=language, description=f"Coqui, {model}", engine="coqui"
    )


def probe() -> None:
    """Raise EngineUnavailable if packages are missing."""
    require(_PACKAGES, "./run.sh (without --light) installs them, or pip install '.[coqui]'")
