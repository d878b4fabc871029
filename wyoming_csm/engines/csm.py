"""CSM as the server sees it: voices of clips and bare speakers; the work is the child's."""

from functools import partial

from msgspec.structs import replace

from wyoming_csm.config import Config
from wyoming_csm.engines.child_engine import ChildEngine, RecordedVoices, first_message
from wyoming_csm.engines.watchdog import Timeouts
from wyoming_csm.gpu_signs import no_gpu, signs
from wyoming_csm.installer import require
from wyoming_csm.voice_book import VoiceBook
from wyoming_csm.voices import Voice

_PACKAGES = {
    "torch": "torch",
    "huggingface_hub": "huggingface-hub",
    "safetensors": "safetensors",
    "tokenizers": "tokenizers",
    "einops": "einops",
}
_SPEAKERS = 4
_UNIT_SECONDS = {"s": 1.0, "m": 60.0, "h": 3_600.0}


def csm_engines(config: Config, book: VoiceBook) -> list[ChildEngine]:
    """Return the engine, not started yet; for a list of devices one for each of them."""
    speakers = tuple(_bare_speaker(number) for number in range(_SPEAKERS))
    recorded = RecordedVoices(lambda: book.voices)

    def voices() -> tuple[Voice, ...]:
        """Return all voices: a recorded one replaces a bare speaker of its name."""
        taken = {voice.name for voice in book.voices}
        return (*book.voices, *(bare for bare in speakers if bare.name not in taken))

    def engine(device: str, title: str = "") -> ChildEngine:
        return ChildEngine(
            first_message(replace(config, csm=replace(config.csm, device=device)), "csm"),
            voices=voices,
            probe=partial(probe, device),
            patience=Timeouts(idle=_seconds(config.csm.idle_unload)),
            title=title,
            recorded=recorded,
        )

    devices = config.csm.device
    if isinstance(devices, str):
        return [engine(devices)]
    return [engine(device, f"csm on {device}") for device in devices]


def _seconds(duration: str | None) -> float | None:
    """Turn the configuration's `90s`, `10m` or `1h` into seconds."""
    return float(duration[:-1]) * _UNIT_SECONDS[duration[-1]] if duration else None


def _bare_speaker(number: int) -> Voice:
    return Voice(
        name=f"speaker_{number}",
        language="en",
        description=f"CSM speaker {number}, no fixed voice",
        engine="csm",
        speaker=str(number),
    )


def probe(device: str) -> None:
    """Raise EngineUnavailable if packages are missing, or for `auto` any sign of a GPU; what that
    is like the child finds out."""
    if device == "auto" and not signs():
        raise no_gpu()
    require(
        _PACKAGES,
        "./run.sh (without --light) installs them where there is a GPU, or pip install '.[csm]'",
    )
