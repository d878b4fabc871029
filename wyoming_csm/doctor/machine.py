"""What the checks ask of a machine: this one, or one that a test makes up."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class Ran(NamedTuple):
    """A command that ended: its exit code and what it printed."""

    code: int
    out: str
    err: str = ""


class Disk(NamedTuple):
    """The disk of a folder: its bytes, why nothing can be written there, or "", and whether the
    folder is there already."""

    free: int
    fault: str = ""
    there: bool = True


class Answer(NamedTuple):
    """What answers at an address; a name and a version if it speaks Wyoming."""

    wyoming: bool
    program: str = ""
    version: str = ""
    recognises: bool = False  # it is a speech-to-text server


class Seen(NamedTuple):
    """A Wyoming server that is announced on the network."""

    name: str
    addresses: tuple[str, ...]
    port: int


class Machine(Protocol):
    """Facts, asked for once each; nothing of the machine stays changed by it."""

    @property
    def python(self) -> tuple[int, int]:
        """Return the version of Python."""

    @property
    def processor(self) -> str:
        """Return the kind of processor: x86_64, aarch64."""

    @property
    def clone(self) -> Path | None:
        """Return the folder of run.sh and requirements/; None: the package was installed alone."""

    def signs(self) -> frozenset[str]:
        """Return the signs of a GPU, as `gpu_signs` names them."""

    def installed(self) -> Mapping[str, str]:
        """Return the versions of installed packages by their names, in lower case with dashes."""

    def run(self, words: Sequence[str], seconds: float) -> Ran | None:
        """Run a command; None: there is none, or it did not end in time."""

    def disk(self, folder: Path) -> Disk:
        """Look at the disk on which a folder is, or would be made."""

    def now(self) -> float:
        """Return this machine's time, in seconds since 1970."""

    async def date_of(self, url: str) -> float | None:
        """Return the time that an HTTP server tells; None: it cannot be reached."""

    async def ask(self, uri: str) -> Answer | None:
        """Ask who answers at a Wyoming address; None: nobody listens there."""

    async def is_page(self, address: str) -> bool:
        """Ask for /health over HTTP at HOST:PORT: does a server of ours answer?"""

    async def why_not(self, uri: str) -> str:
        """Say why this machine cannot listen at an address; "": it can."""

    def addresses(self, host: str) -> Sequence[str]:
        """Return where others reach what listens at this host, the likeliest first; loopback only
        where nobody else does."""

    def holder(self, port: int) -> str:
        """Name the process that listens on a port; "": it is not known."""

    async def announced(self) -> Sequence[Seen]:
        """Browse the network for Wyoming servers, as Home Assistant does. Raises OSError."""

    async def hears_itself(self) -> bool:
        """Announce something nobody looks for and browse for it: does multicast come through?
        Raises OSError."""
