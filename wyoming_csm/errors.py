"""Every error this package raises on purpose."""


class WyomingCsmError(Exception):
    """Root of the tree: its text is written for the person who reads the log."""


class ConfigError(WyomingCsmError):
    """A setting is wrong; the text names its path and the cure."""


class VoiceError(WyomingCsmError):
    """A voice's folder cannot be used."""


class ProtocolError(WyomingCsmError):
    """What a peer sent is not Wyoming, or over a limit."""


class RequestError(WyomingCsmError):
    """A well-formed request that is refused: its text is too long, too much waits."""


class VoiceExists(RequestError):
    """A new voice is to have the name of one that there is."""


class EngineError(WyomingCsmError):
    """An engine could not speak."""


class EngineUnavailable(EngineError):
    """An engine cannot run on this machine as it is.

    `passing`: it may by itself, later. `expected`: that is no cause for a warning.
    """

    def __init__(
        self, reason: str, cure: str, *, passing: bool = False, expected: bool = False
    ) -> None:
        super().__init__(f"{reason}: {cure}" if cure else reason)
        self.reason = reason
        self.cure = cure
        self.passing = passing
        self.expected = expected


class Unsuited(EngineUnavailable):
    """A machine is not made for an engine: no cause for a warning, and nothing passes or helps."""

    def __init__(self, reason: str, cure: str) -> None:
        super().__init__(reason, cure, expected=True)


class WorkerDied(EngineError):
    """The child process of an engine ended or hung."""


class NoSound(EngineError):
    """An engine gave no sound for a text with letters or digits."""


class CheckpointError(EngineError):
    """Weights, or the configuration beside them, cannot be used."""


class PromptTooLong(EngineError):
    """A voice's clip and a sentence leave no room to speak."""
