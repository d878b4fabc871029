"""A large file of the hub, fetched so that the next try goes on at the byte where this one stopped.

It goes where the hub's own library looks for it, `blobs/ETAG` of its cache; that library fetches
a file in one go or not at all.
"""

import fcntl
import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

LEAST_BYTES = 10_000_000  # what is smaller is fetched anew in a moment
_TRIES = 3  # until somebody is told that the connection ends midway


def fetch_resumed(
    url: str, blobs: Path, token: str | None, told: Callable[[int], None], every: float
) -> None:
    """Fetch the file at a hub's URL into the folder `blobs`, unless it is there or small.

    `told` gets the bytes that are here, each `every` seconds. Raises OSError, and what the hub's
    library raises. A file whose content is not the one that the hub names is removed.
    """
    from huggingface_hub import errors, get_hf_file_metadata

    about = get_hf_file_metadata(url, token=token or False)
    # Its name in the cache is the hub's word: a digest, or it is left to the library.
    if not (about.size and about.etag and re.fullmatch("[0-9a-f]{40,64}", about.etag)):
        return
    whole = blobs / about.etag
    if about.size < LEAST_BYTES or whole.exists():
        return
    blobs.mkdir(parents=True, exist_ok=True)
    part = whole.with_name(f"{whole.name}.part")
    with part.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError("another process is fetching it") from error
        if not whole.exists():  # it was not made meanwhile
            own = about.location.split("/")[:3] == url.split("/")[:3]
            own_token = token if own else None  # another host is not told it
            for left in reversed(range(_TRIES)):
                try:
                    if file.tell() < about.size:
                        _go_on(about.location, own_token, file, told, every)
                except errors.HTTPError as error:  # type: ignore[attr-defined, unused-ignore]
                    if not left or isinstance(error, errors.HfHubHTTPError):  # which refuses
                        raise
            _check(part, about.etag, about.size)
            part.replace(whole)
    part.unlink(missing_ok=True)


def bytes_here(blobs: Path) -> int:
    """Return how much of files that are not whole is here."""
    return sum(path.stat().st_size for path in blobs.glob("*.part"))


def _go_on(
    location: str, token: str | None, file: BinaryIO, told: Callable[[int], None], every: float
) -> None:
    """Append what is missing; begin anew where the server does not go on."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined, unused-ignore]
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

    headers = build_hf_headers(token=token or False)
    headers |= {"Range": f"bytes={file.tell()}-", "Accept-Encoding": "identity"}
    at = time.monotonic()
    with get_session().stream("GET", location, headers=headers, follow_redirects=True) as answer:
        hf_raise_for_status(answer)
        if answer.status_code != 206:
            file.truncate(0)
        for chunk in answer.iter_raw():
            file.write(chunk)
            if time.monotonic() - at >= every:
                at = time.monotonic()
                told(file.tell())
    file.flush()


def _check(part: Path, etag: str, size: int) -> None:
    """Raise OSError unless the file is the one that the hub names."""
    found = part.stat().st_size
    if found < size:
        raise OSError(f"{found} of {size} bytes came")
    with part.open("rb") as file:
        right = len(etag) != 64 or hashlib.file_digest(file, "sha256").hexdigest() == etag
    if found > size or not right:
        part.unlink()
        raise OSError("what came is not the file that the hub names")
