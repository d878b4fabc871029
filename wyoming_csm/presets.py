"""Presets: voices made of other voices, each with a manner of its own."""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from wyoming_csm.config import PresetConfig
from wyoming_csm.voices import Manner, Voice

_WITH_TEMPERATURE = ("csm",)  # the engines that have one


def preset_voices(
    presets: Mapping[str, PresetConfig], voices: Mapping[str, Voice]
) -> Iterator[Voice]:
    """Make the voices of presets; one whose voice does not exist has a fault.

    None is made where a voice has its name already.
    """
    for name, preset in presets.items():
        if name in voices:
            continue
        shown = preset.description or name
        manner = Manner(preset.temperature, preset.rate, preset.gain, preset.pause)
        base = voices.get(preset.voice)
        if base is not None:
            yield replace(base, name=name, base=base.name, description=shown, manner=manner)
        else:
            fault = f"there is no voice {preset.voice!r}: add it, or correct presets.{name}.voice"
            yield Voice(name=name, language="en", description=shown, engine="", fault=fault)


def complaints(presets: Mapping[str, PresetConfig], voices: Mapping[str, Voice]) -> Iterator[str]:
    """Say what presets ask for and cannot have, of these voices of all engines and presets."""
    for name, preset in presets.items():
        voice, base = voices[name], voices.get(preset.voice)
        if base is None:
            yield f"presets.{name}.voice: there is no voice {preset.voice!r} (yet)"
        elif voice.base != base.name:
            yield f"presets.{name}: there is a voice of that name: call the preset otherwise"
        else:
            yield from _left_out(name, preset, base.engine)


def _left_out(name: str, preset: PresetConfig, engine: str) -> Iterator[str]:
    if preset.temperature is not None and engine not in _WITH_TEMPERATURE:
        yield f"presets.{name}.temperature: {engine} has none: leave it out"
