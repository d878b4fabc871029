"""CSM as the server sees it: voices of clips and bare speakers; the work is the child's."""

from importlib import invalidate_caches
from importlib.util import find_spec

import msgspec

from wyoming_csm.config import Config
from wyoming_csm.engines.worker import WorkerEngine
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.voices import Voice, VoiceBook
from wyoming_csm.worker.protocol import Configure

_PACKAGES = ("torch", "transformers", "huggingface_hub", "safetensors", "tokenizers")
_SPEAKERS = 4
_HANG_SECONDS = 10.0  # a frame takes milliseconds, a long prefill a second
_HANG_SECONDS_ON_CPU = 180.0  # there the prefill of a long clip takes a minute


def csm_engine(config: Config, book: VoiceBook) -> WorkerEngine:
    """Not started yet."""
    configure = Configure(
        engine="csm",
        settings=msgspec.to_builtins(config.csm),
        data_dir=config.data_dir,
        download_dir=str(config.models_dir),
        log_level=config.log.level,
        log_format=config.log.format,
        voices=book.voices,
    )
    speakers = tuple(_bare_speaker(number) for number in range(_SPEAKERS))
    return WorkerEngine(
        configure,
        voices=lambda: (*book.voices, *speakers),
        probe=_probe,
        hang_seconds=_HANG_SECONDS_ON_CPU if config.csm.device == "cpu" else _HANG_SECONDS,
    )


def _bare_speaker(number: int) -> Voice:
    return Voice(
        name=f"speaker_{number}",
        language="en",
        description=f"CSM speaker {number} (another voice each time)",
        engine="csm",
        speaker=str(number),
    )


def _probe() -> None:
    """Cheap: whether the packages are there. What the GPU is like, the child finds out."""
    invalidate_caches()  # they may have been installed while the server ran
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise EngineUnavailable(
            f"not installed: {', '.join(missing)}", "pip install 'wyoming-csm[csm]'"
        )
