"""Coqui's voices, as the configuration alone tells them, and how models name languages."""

from collections.abc import Sequence

from wyoming_csm.config import CoquiConfig
from wyoming_csm.voices import Voice


def coqui_voices(settings: CoquiConfig) -> tuple[Voice, ...]:
    """One for each language, in the configuration's order; without what only loading tells."""
    if settings.checkpoint:
        return (_voice(settings.checkpoint_language, "your model"),)
    return tuple(
        _voice(language, name.removeprefix("tts_models/"))
        for language, name in settings.models.items()
    )


def matching(code: str, known: Sequence[str]) -> str | None:
    """Which of a model's own language names a code means: `pt_BR` is its `pt-br`, or its `pt`."""
    wanted = code.replace("_", "-").lower()
    for fits in (wanted, wanted.partition("-")[0]):
        for name in known:
            if fits in (name.lower(), name.lower().partition("-")[0]):
                return name
    return None


def _voice(language: str, model: str) -> Voice:
    return Voice(
        name=f"coqui_{language}", language=language, description=f"Coqui, {model}", engine="coqui"
    )
