"""Every error this package raises on purpose."""

import errno
import os
from typing import Self

FULL = (errno.ENOSPC, errno.EDQUOT)  # of an OSError: there is no room left

# What says that there is no such file; any other OSError tells nothing of what there is.
ABSENT = (FileNotFoundError, NotADirectoryError)


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


class OtherServerError(RequestError):
    """The server that a request needs cannot be reached, or fails; `late`: it is silent."""

    def __init__(self, reason: str, *, late: bool = False) -> None:
        super().__init__(reason)
        self.late = late


class StoreError(WyomingCsmError):
    """What was asked for is right, but this machine's disk does not take it. `full`: for want of
    room."""

    def __init__(self, reason: str, *, full: bool = False) -> None:
        super().__init__(reason)
        self.full = full

    @classmethod
    def of(cls, what: str, error: OSError, folder: str = "config/voices") -> Self:
        """Say what cannot be done, the system's words for why, and what helps. These name `folder`,
        as whoever reads them may know it."""
        user, cure = os.geteuid(), ""
        match error.errno:
            case errno.EACCES | errno.EPERM:
                own = f"`chown -R {user} {folder}` (with Docker on the host)"
                cure = f": it must belong to user {user}, {own}"
            case errno.EROFS:
                cure = f": mount {folder} so that it can be written (with Docker without `:ro`)"
            case code if code in FULL:
                cure = ": make room, and try again"
        return cls(f"{what}: {error.strerror or error}{cure}", full=error.errno in FULL)

    @classmethod
    def of_temporary(cls, error: OSError) -> Self:
        """Say that no temporary file can be written, and what helps. Where `tempfile` finds no
        folder at all, it does not say why, and most often there is no room."""
        nowhere = isinstance(error, FileNotFoundError) and error.filename is None
        if nowhere or error.errno in FULL:
            return cls("the disk is full: make room, or name another folder in TMPDIR", full=True)
        why = error.strerror or error
        return cls(f"no temporary file can be written: {why}: name another folder in TMPDIR")


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


def reason_of(error: BaseException | None) -> str:
    """Say why what was going on ended by this error; "": the peer left, or it was cancelled."""
    match error:
        case WyomingCsmError():
            return str(error)
        case ConnectionError():
            return ""
        case Exception():
            return "internal error"  # the log has it
    return ""
