"""What a listener gets of it when the disk that replicas share does not answer, or fails."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.engines.helpers import speak
from tests.engines.repeating import WHOLE
from tests.fakes import FakeEngine, fake_voice
from wyoming_csm.config import CacheConfig
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.likeness import sounds_like, sounds_of
from wyoming_csm.engines.looks import Looks
from wyoming_csm.engines.sentence_cache import SentenceCache, Stored, Wanted
from wyoming_csm.silent_disk import MOST
from wyoming_csm.voices import Clip
from wyoming_csm.worker.protocol import Identified

PATIENCE = 0.2  # seconds that a disk has which hangs
SPEAKER = replace(fake_voice("speaker_0", engine="csm"), speaker="0")


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[Path]:
    """A folder whose file of speaker_0 hangs whoever opens it, until the end: a pipe that nobody
    writes."""
    pipe = tmp_path / "shared/0.json"
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    yield pipe.parent
    os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))


@pytest.fixture
def engine(shared: Path) -> FakeEngine:
    made = FakeEngine("csm", voices=(SPEAKER,))
    made.identity = Identified("a model", (str(shared / "0.json"),))
    return made


async def test_replies_are_spoken_all_the_same(
    tmp_path: Path, shared: Path, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """More than there are threads; the first waits for a moment, and the others for nothing."""
    looks = Looks(PATIENCE)
    cache = SentenceCache(tmp_path, CacheConfig(), looks)
    house = Fallback([engine], cache=cache, looks=looks)
    before = threading.active_count()
    for number in range(20):
        reply = house.start_reply(SPEAKER)
        async with asyncio.timeout(60):
            assert b"".join(await speak(reply, f"{number}.")) == WHOLE
        assert reply.sounds_like == "csm/speaker_0"
        await reply.aclose()
    await cache.close()
    assert len(engine.asked) == 20
    assert threading.active_count() < before + MOST
    assert caplog.text.count(f"The disk of {shared} does not answer: ") == 1


async def test_what_others_say_is_still_found(tmp_path: Path, shared: Path) -> None:
    """Voices that are on no shared disk, by the same cache."""
    looks = Looks()
    cache = SentenceCache(tmp_path, CacheConfig(), looks)
    stored = Stored("0123456789abcdef", b"sound", b"")
    csm = Identified("a checkpoint", (str(shared / "0.json"),))
    theirs = Wanted(csm, SPEAKER, 1.0, "Hello.", "")
    coqui = Wanted(Identified("a model"), fake_voice("lj", engine="coqui"), 1.0, "Hello.", "")
    none, key = (await cache.find([theirs, coqui])).keys
    assert none is None
    assert key is not None
    cache.store(coqui, key, stored)
    await cache.close()
    found = await cache.find([theirs, coqui])
    assert (found.number, found.stored) == (1, stored)


async def test_a_disk_that_hangs_while_something_is_stored_holds_up_no_end(
    tmp_path: Path, shared: Path
) -> None:
    cache = SentenceCache(tmp_path, CacheConfig(), Looks(PATIENCE))
    csm = Identified("a checkpoint", (str(shared / "0.json"),))
    cache.store(Wanted(csm, SPEAKER, 1.0, "Hello.", ""), "key", Stored("", b"", b""))
    async with asyncio.timeout(60):
        await cache.close()
    assert not (tmp_path / "sentences").exists()


async def test_a_speaker_is_who_it_was_while_its_disk_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, looks = tmp_path / "0.json", Looks()
    engine = FakeEngine("csm", voices=(SPEAKER,))
    engine.identity = Identified("a model", (str(file),))
    assert await sounds_of([engine], looks) == {}
    file.write_text("a calm sentence")
    before = await sounds_like(engine, SPEAKER, looks), await sounds_of([engine], looks)
    assert before[0] != "csm/speaker_0"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", failing)
        assert (await sounds_like(engine, SPEAKER, looks), await sounds_of([engine], looks)) == (
            before
        )
    file.unlink()
    assert await sounds_like(engine, SPEAKER, looks) == "csm/speaker_0"


def failing(path: Path) -> bytes:
    raise OSError(5, "Input/output error", str(path))


async def test_a_recording_that_hangs_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = threading.Event()
    monkeypatch.setattr(
        "wyoming_csm.engines.sentence_cache.version_of", lambda _: back.wait(10.0) or "1"
    )
    anna = replace(SPEAKER, clips=(Clip(str(tmp_path / "anna/clip.wav"), "Words.", "1"),))
    cache = SentenceCache(tmp_path, CacheConfig(), Looks(PATIENCE))
    async with asyncio.timeout(30):
        found = await cache.find([Wanted(Identified("a model"), anna, 1.0, "Hello.", "")])
        await cache.close()
    back.set()
    assert found.keys == (None,)
