"""CSM as the server sees it: voices of clips and bare speakers; the work is the child's."""

from wyoming_csm.config import Config
from wyoming_csm.engines.packages import require
from wyoming_csm.engines.worker import WorkerEngine, first_message
from wyoming_csm.voices import Voice, VoiceBook

_PACKAGES = {
    "torch": "torch",
    "transformers": "transformers",
    "huggingface_hub": "huggingface-hub",
    "safetensors": "safetensors",
    "tokenizers": "tokenizers",
}
_SPEAKERS = 4
_HANG_SECONDS = 10.0  # a frame takes milliseconds, a long prefill a second
_HANG_SECONDS_ON_CPU = 180.0  # there the prefill of a long clip takes a minute


def csm_engine(config: Config, book: VoiceBook) -> WorkerEngine:
    """Not started yet."""
    configure = first_message(config, "csm", book.voices)
    speakers = tuple(_bare_speaker(number) for number in range(_SPEAKERS))

    def voices() -> tuple[Voice, ...]:
        """A recorded voice of a bare speaker's name takes its place."""
        taken = {voice.name for voice in book.voices}
        return (*book.voices, *(bare for bare in speakers if bare.name not in taken))

    return WorkerEngine(
        configure,
        voices=voices,
        probe=_probe,
        hang_seconds=_HANG_SECONDS_ON_CPU if config.csm.device == "cpu" else _HANG_SECONDS,
    )


def _bare_speaker(number: int) -> Voice:
    return Voice(
        name=f"speaker_{number}",
        language="en",
        description=f"CSM speaker {number}, no fixed voice",
        engine="csm",
        speaker=str(number),
    )


def _probe() -> None:
    """Cheap: whether the packages are there. What the GPU is like, the child finds out."""
    require(
        _PACKAGES,
        "./run.sh (without --light) installs them where there is a GPU, or pip install '.[csm]'",
    )
