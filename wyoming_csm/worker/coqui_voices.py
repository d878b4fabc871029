"""Coqui's voices, as the configuration alone tells them."""

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


def _voice(language: str, model: str) -> Voice:
    return Voice(
        name=f"coqui_{language}", language=language, description=f"Coqui, {model}", engine="coqui"
    )
