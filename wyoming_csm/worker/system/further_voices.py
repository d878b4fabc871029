"""Hibari's further voices: one file each, fetched when a user asks for it, else not at all.

Names, sizes and digests are those of the registry in the wheel that is pinned. Its own download,
which would begin when a voice is first used, is never called.
"""

import base64
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from wyoming_csm.errors import VoiceError
from wyoming_csm.logs import without_passwords
from wyoming_csm.silent_disk import Disk

_HUB = "https://huggingface.co"  # HF_ENDPOINT names a mirror
_REPOSITORY = "maureesewilliams/hibari"
_STALL_SECONDS = 30.0  # without a byte
_CHUNK_BYTES = 256 * 1024


class Further(NamedTuple):
    """A voice: its name, its language's tag in Home Assistant, who it is, and its file."""

    name: str
    tag: str
    title: str
    file: str
    size: int  # bytes
    sha256: str

    def path(self, models: Path) -> Path:
        """Return where its file is below the folder of models, if it was fetched."""
        return models / "hibari" / self.file


FURTHER = (
    Further(
        "emma", "en-GB", "Emma, English (UK)", "bf_emma.int8.onnx", 7_936_868,
        "f709f0488ee63b583a22189a955aaf4257b9806dd330be3490661e53af0a89c1",
    ),
    Further(
        "fable", "en-GB", "Fable, English (UK)", "bm_fable.int8.onnx", 7_936_868,
        "c28529302f2d27cd12f62625c24425888c4e3c2675583100ec530259136b8bc6",
    ),
    Further(
        "fenrir", "en-US", "Fenrir, English (US)", "am_fenrir_v2.int8.onnx", 8_031_158,
        "f59fbd87908c91f827bc21b1b89443757b9a8580db9eee20aa948deb731321f4",
    ),
    Further(
        "kore", "en-US", "Kore, English (US)", "af_kore.int8.onnx", 7_936_868,
        "346885752673e45d42f9864c9e2432094bc4b6385df060d4b83273da764d2fa9",
    ),
)  # fmt: skip


class Fetched:
    """Names those that are here, as the disk said last: nobody waits long for one that hangs."""

    def __init__(self, models: Path) -> None:
        """Look once."""
        self._look, self._disk = partial(fetched, models), Disk(models)
        self.names: frozenset[str] = frozenset()
        self.look()

    def look(self) -> frozenset[str]:
        """Look again, and return their names."""
        with suppress(OSError):
            self.names = self._disk.ask(self._look)
        return self.names


def fetched(models: Path) -> frozenset[str]:
    """Name those that are here: four looks into a folder. A file is there only once it is whole."""
    return frozenset(voice.name for voice in FURTHER if voice.path(models).is_file())


def fetch(voice: Further, models: Path, progress: Callable[[str], None]) -> None:
    """Fetch the file of a voice, whole or not at all. Raises VoiceError."""
    from http.client import HTTPException  # the server does without these

    hub = os.environ.get("HF_ENDPOINT", _HUB).rstrip("/")
    url = f"{hub}/{_REPOSITORY}/resolve/main/voices/{voice.file}"
    path = voice.path(models)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    shown = without_passwords(url)
    progress(f"fetching {voice.name}, {voice.size / 1e6:.0f} MB, from {shown}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            digest = _write(url, part, voice.size)
            if digest != voice.sha256:
                raise VoiceError(f"{shown} is not the voice that was released: it is not used")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, ValueError, HTTPException) as error:
        # What is wrong with an address is told with what it is wrong in, as its password.
        why = f"{shown} is no address" if isinstance(error, ValueError) else error
        raise VoiceError(
            f"{voice.name} cannot be fetched ({why}): connect this machine to the internet, or "
            f"copy the file to {path}"
        ) from error


def _write(url: str, part: Path, size: int) -> str:
    """Write what is at the URL, no more than one byte over `size`; return its digest."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    request = Request(parts._replace(netloc=host).geturl())  # noqa: S310
    if user:
        word = base64.b64encode(unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {word}")  # for this host alone
    digest, left = hashlib.sha256(), size + 1
    # Whatever the environment has for a hub: what comes must have the digest above.
    try:
        answer = urlopen(request, timeout=_STALL_SECONDS)  # noqa: S310
    except HTTPError as error:
        error.close()  # it has the connection
        raise
    with answer, part.open("wb") as file:
        while left and (chunk := answer.read(min(left, _CHUNK_BYTES))):
            left -= len(chunk)
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()
