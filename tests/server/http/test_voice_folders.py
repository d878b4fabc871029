"""Folders of voices over HTTP: several who change them at once, as many as there may be, one that
cannot be written, and recordings that no engine speaks with."""

import asyncio
import errno
import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.fakes import FakeEngine
from tests.server.http.doors import doors
from tests.server.http.test_voices import WORDS, asked, form, names, recording
from wyoming_csm.config import Config
from wyoming_csm.errors import StoreError
from wyoming_csm.recordings import read_voice
from wyoming_csm.voice_book import CHANGING, MAX_VOICES
from wyoming_csm.voice_files import judge_clip
from wyoming_csm.voice_folders import make_voice, rename
from wyoming_csm.voice_state import Judgement


@pytest.mark.parametrize("replace", ["", "1"])
async def test_who_makes_the_same_voice_at_once_destroys_nothing(
    tmp_path: Path, replace: str
) -> None:
    async with doors(FakeEngine(), voices=str(tmp_path)) as both:
        found = await asyncio.gather(
            *(
                asked(both, "POST", "/api/voices/anna", data=form(text=WORDS, replace=replace))
                for _ in range(4)
            )
        )
    statuses = sorted(status for status, _ in found)
    assert statuses == ([201] * 4 if replace else [201, 409, 409, 409])
    for status, body in found:
        assert status == 201 or "there is a voice 'anna'" in body["error"]["message"]
    assert names(tmp_path) == ["anna"]
    assert read_voice(tmp_path / "anna").clips[0].text == WORDS


async def test_what_cannot_be_written_tells_no_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with doors(FakeEngine(), voices=str(tmp_path / "file")) as both:
        status, found = await asked(both, "POST", "/api/voices/anna", data=form(text=WORDS))
    assert (status, str(tmp_path) in found["error"]["message"]) == (500, False)
    assert "the folder of voices cannot be changed" in found["error"]["message"]


@pytest.mark.parametrize(
    ("code", "status", "cure"),
    [
        (errno.ENOSPC, 507, "make room, and try again"),
        (errno.EDQUOT, 507, "make room, and try again"),
        (errno.EROFS, 500, "mount config/voices so that it can be written"),
        (errno.EACCES, 500, "`chown -R"),
        (errno.EPERM, 500, "`chown -R"),
        (errno.EIO, 500, ""),
    ],
    ids=lambda value: errno.errorcode.get(value, "") if isinstance(value, int) else "",
)
async def test_a_disk_of_voices_that_takes_nothing_is_no_fault_of_who_asks(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    code: int,
    status: int,
    cure: str,
) -> None:
    """The folder of voices alone: a recording that is sent has room elsewhere."""
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "clip.wav").touch()
    make = tempfile.mkdtemp

    def refused(*_: object) -> Path:
        raise OSError(code, os.strerror(code), "a path")

    def of_voices(suffix: str | None = None, prefix: str | None = None, dir: Any = None) -> str:
        return str(refused()) if prefix == CHANGING else make(suffix, prefix, dir)

    async with doors(FakeEngine(), voices=str(tmp_path)) as both:
        monkeypatch.setattr(tempfile, "mkdtemp", of_voices)
        monkeypatch.setattr(Path, "rename", refused)
        found = [
            await asked(both, "POST", "/api/voices/berta", data=form(text=WORDS)),
            await asked(both, "POST", "/api/voices/anna/rename", json={"name": "berta"}),
            await asked(both, "DELETE", "/api/voices/anna"),
        ]
    assert [one[0] for one in found] == [status] * 3
    for _, body in found:
        assert os.strerror(code) in body["error"]["message"]
        assert cure in body["error"]["message"]
        assert "a path" not in body["error"]["message"]
        assert body["error"]["type"] == "server_error"
    assert names(tmp_path) == ["anna"]
    assert len([one for one in caplog.messages if "cannot be" in one]) == 2, "once for each address"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.ENOSPC])
def test_who_may_not_write_is_told_who_must_own_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refused(*_: object) -> None:
        raise OSError(code, "refused")

    monkeypatch.setattr(Path, "rename", refused)
    clip = tmp_path / "a.wav"
    clip.write_bytes(recording())
    config = Config(voices=str(tmp_path / "v"))
    with pytest.raises(StoreError) as told:
        make_voice(config, "anna", clip, WORDS, "en")
    cure = f": it must belong to user {os.geteuid()}, `chown -R {os.geteuid()} config/voices`"
    words = "the folder of voices cannot be changed: refused"
    assert str(told.value).startswith(words)
    assert (cure in str(told.value)) is (code != errno.ENOSPC)


@pytest.mark.parametrize(
    ("fault", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), True),
        (OSError(errno.EROFS, "Read-only file system", "a path"), False),
    ],
    ids=["full", "none", "read-only"],
)
def test_a_clip_that_cannot_be_copied_to_be_judged_says_why(
    tmp_path: Path, fault: OSError, full: bool
) -> None:
    def refused(folder: Path, loudness: float | None) -> Judgement:
        raise fault

    clip = tmp_path / "a.wav"
    clip.write_bytes(recording())
    with pytest.raises(StoreError) as told:
        judge_clip(Config(), clip, refused)
    assert told.value.full is full
    assert ("the disk is full: make room" in str(told.value)) is full
    assert str(told.value).endswith("name another folder in TMPDIR")


@pytest.mark.parametrize("path", ["/api/clips/judge", "/api/voices/anna"])
async def test_a_temporary_folder_that_is_gone_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    clip = tmp_path / "a.wav"
    clip.write_bytes(recording())
    with pytest.raises(StoreError, match="no temporary file can be written"):
        await asyncio.to_thread(judge_clip, Config(), clip)
    async with doors(FakeEngine(), voices=str(tmp_path / "voices")) as both:
        status, found = await asked(both, "POST", path, data=form(text=WORDS))
    assert (status, found["error"]["message"]) == (
        500,
        "no temporary file can be written: No such file or directory: name another folder in"
        " TMPDIR",
    )
    assert "Traceback" not in caplog.text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_who_may_not_rename_is_told_the_same(tmp_path: Path) -> None:
    (tmp_path / "anna").mkdir()
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(StoreError, match=r"'anna' cannot be renamed: .*`chown -R"):
            rename(Config(voices=str(tmp_path)), "anna", "berta")
    finally:
        tmp_path.chmod(0o755)


async def test_the_default_voice_says_for_whom_it_speaks(tmp_path: Path) -> None:
    name = 'Zoë "2"'
    (tmp_path / name).mkdir()
    (tmp_path / name / "clip.wav").touch()
    async with doors(FakeEngine(), voices=str(tmp_path), engines=("system",)) as both:
        path = "/api/text-to-speech?text=One+is.&voice="
        async with both.client.get(path + quote(name)) as answer:
            told = answer.headers["Warning"]
        async with both.client.get(path + "nobody") as answer:
            other = answer.headers["Warning"]
    assert told.startswith(
        "299 wyoming-csm \"the voice Zo? '2' cannot speak here (no engine here speaks with"
    )
    assert told.endswith('): the default one speaks"')
    assert other == '299 wyoming-csm "there is no such voice: the default one speaks"'


async def test_recorded_voices_are_listed_where_no_engine_has_them(tmp_path: Path) -> None:
    async with doors(FakeEngine(), voices=str(tmp_path), engines=("system",)) as both:
        _, made = await asked(both, "POST", "/api/voices/anna", data=form(text=WORDS))
        assert any("no engine here speaks with recordings" in one for one in made["doubts"])
        (tmp_path / "empty").mkdir()
        _, found = await asked(both, "GET", "/api/voices")
        (anna,) = [one for one in found["voices"] if one["kind"] == "recorded"]
        assert anna["name"] == "anna"
        assert "start without --light, and with csm among `engines`" in anna["fault"]
        assert (await asked(both, "DELETE", "/api/voices/anna"))[0] == 200
        _, found = await asked(both, "GET", "/api/voices")
    assert not [one for one in found["voices"] if one["kind"] == "recorded"]


async def test_there_are_no_more_voices_than_are_read(tmp_path: Path) -> None:
    for n in range(MAX_VOICES - 1):
        (tmp_path / f"v{n}").mkdir()
    async with doors(FakeEngine(), voices=str(tmp_path)) as both:
        anna, berta = "/api/voices/anna", "/api/voices/berta"
        assert (await asked(both, "POST", anna, data=form(text=WORDS)))[0] == 201
        status, body = await asked(both, "POST", berta, data=form(text=WORDS))
        assert status == 400
        assert "there are 200 voices" in body["error"]["message"]
        again = form(text=WORDS, replace="1")
        assert (await asked(both, "POST", anna, data=again))[0] == 201
