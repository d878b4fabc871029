"""A recording that somebody sends: a form with a file and fields, or the file alone."""

import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path, PurePath

from aiohttp import BodyPartReader, web
from aiohttp.http import HttpProcessingError

from wyoming_csm.errors import StoreError
from wyoming_csm.server.http.bodies import Patience, bounded, media_type, parts
from wyoming_csm.server.http.house import house_of
from wyoming_csm.server.http.problems import Refused

_ENDINGS = {
    "audio/wav": ".wav",
    "audio/x-wav": ".wav",
    "audio/wave": ".wav",
    "audio/vnd.wave": ".wav",
    "audio/mpeg": ".mp3",
    "audio/mp3": ".mp3",
    "audio/flac": ".flac",
    "audio/x-flac": ".flac",
    "audio/ogg": ".ogg",
    "audio/opus": ".opus",
    "audio/webm": ".webm",
    "audio/mp4": ".m4a",
    "audio/aac": ".aac",
}
KINDS = tuple(_ENDINGS)
_FORM = "multipart/form-data"
_MOST_FIELDS = 16
_MOST_NAME = 100
_MOST_FILE_NAME = 40  # characters, without the ending: with 4 bytes each a disk takes it


@dataclass
class Upload:
    """A recording in a file that goes away, and the fields that came with it."""

    clip: Path
    fields: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def upload(request: web.Request) -> AsyncIterator[Upload]:
    """Read a recording from a request. Raises Refused; StoreError where it cannot be stored."""
    with ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            found = await _read(request, folder)
        except ConnectionError:  # the client left
            raise
        except OSError as error:
            async for _ in parts(request, house_of(request).config.limits.upload_bytes):
                pass  # who is still sending would not learn of it
            raise StoreError.of_temporary(error) from error
        yield found


async def _read(request: web.Request, folder: Path) -> Upload:
    kind = media_type(request)
    if kind == _FORM:
        return await _read_form(request, folder)
    if kind not in _ENDINGS:
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"send a form ({_FORM}) with the file `clip`, or the recording itself as one of:"
            f" {', '.join(KINDS)}",
        )
    found = Upload(folder / f"clip{_ENDINGS[kind]}", dict(request.query))
    with found.clip.open("wb") as file:
        async for part in parts(request, house_of(request).config.limits.upload_bytes):
            file.write(part)
    return found


async def _read_form(request: web.Request, folder: Path) -> Upload:
    limits = house_of(request).config.limits
    if (request.content_length or 0) > limits.upload_bytes + limits.data_bytes:
        raise _too_long(limits.upload_bytes)
    fields = dict(request.query)
    clip: Path | None = None
    patience = Patience(limits.event_seconds)

    def parts_of(part: BodyPartReader, most: int) -> AsyncIterator[bytes]:
        return bounded(part.read_chunk, most, patience, _too_long(most))

    try:
        reader = await request.multipart()
        for _ in range(_MOST_FIELDS):
            part = await patience.wait(reader.next())
            if not isinstance(part, BodyPartReader):
                break
            if part.name == "clip":
                ending = _ENDINGS.get(part.headers.get("Content-Type", ""), ".wav")
                clip = folder / _file_name(part.filename or "", ending)
                with clip.open("wb") as file:
                    async for data in parts_of(part, limits.upload_bytes):
                        file.write(data)
            else:
                data = b"".join([d async for d in parts_of(part, limits.data_bytes)])
                fields[(part.name or "")[:_MOST_NAME]] = data.decode(errors="replace")
    except (
        ValueError,
        AssertionError,
        LookupError,
        HttpProcessingError,
    ) as error:  # as aiohttp reads forms
        raise Refused(HTTPStatus.BAD_REQUEST, f"the form cannot be read: {error}") from None
    if clip is None:
        raise Refused(HTTPStatus.BAD_REQUEST, "the form has no file `clip`", param="clip")
    return Upload(clip, fields)


def _file_name(told: str, ending: str) -> str:
    """Return a client's name of a file as a name in a folder, which complaints are about; the
    `ending` is for one that has none."""
    path = PurePath(re.split(r"[/\\]", told)[-1])
    ending = "".join(c for c in path.suffix.lower()[:10] if c.isalnum() or c == ".") or ending
    stem = "".join(c for c in path.stem if c.isprintable()).lstrip(".~ ")
    return f"{stem[:_MOST_FILE_NAME] or 'clip'}{ending}"


def _too_long(most: int) -> Refused:
    return Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the recording is larger than {most} bytes (limits.upload_bytes)",
    )
