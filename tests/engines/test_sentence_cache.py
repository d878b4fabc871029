"""Sentences on disk: what they are found by, what goes, and what is never taken for one."""

import os
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.fakes import fake_voice
from tests.voice_folders import make
from wyoming_csm.config import CacheConfig
from wyoming_csm.disk_cache import DiskCache
from wyoming_csm.engines.sentence_cache import MOST_WAITING, SentenceCache, Stored, Wanted
from wyoming_csm.recordings import read_voice
from wyoming_csm.voices import Manner, Voice
from wyoming_csm.worker.protocol import Identified

COQUI = Identified("a model")
VOICE = fake_voice("coqui_en", engine="coqui")
HELLO = Wanted(COQUI, VOICE, 1.0, "Hello.", "")
STORED = Stored("0123456789abcdef", bytes(range(256)) * 100, b"codes")


@pytest.fixture
async def cache(tmp_path: Path) -> AsyncIterator[SentenceCache]:
    made = SentenceCache(tmp_path, CacheConfig())
    yield made
    await made.close()


def files(data: Path) -> list[Path]:
    return sorted((data / "sentences").glob("*"))


async def key_of(cache: SentenceCache, wanted: Wanted) -> str | None:
    return (await cache.find([wanted])).keys[0]


async def store(data: Path, wanted: Wanted, stored: Stored = STORED) -> Path:
    """By another process; return the file."""
    cache, before = SentenceCache(data, CacheConfig()), files(data)
    key = await key_of(cache, wanted)
    assert key is not None
    cache.store(wanted, key, stored)
    await cache.close()
    (new,) = set(files(data)) - set(before)
    return new


async def found(data: Path, wanted: Wanted) -> Stored | None:
    """By another process."""
    cache = SentenceCache(data, CacheConfig())
    try:
        return (await cache.find([wanted])).stored
    finally:
        await cache.close()


async def test_what_was_stored_is_found_by_another_process(tmp_path: Path) -> None:
    path = await store(tmp_path, HELLO)
    assert await found(tmp_path, HELLO) == STORED
    assert path.parent.stat().st_mode & 0o077 == 0, "it tells what was said in this house"
    assert b"Hello" not in path.read_bytes()


async def test_the_first_that_is_there_is_found(tmp_path: Path, cache: SentenceCache) -> None:
    await store(tmp_path, HELLO)
    other = replace(HELLO, identity=Identified("another model"))
    looked = await cache.find([other, HELLO])
    assert (looked.number, looked.stored) == (1, STORED)


@pytest.mark.parametrize(
    "changed",
    [
        replace(HELLO, identity=Identified("another model")),
        replace(HELLO, voice=fake_voice("coqui_de", engine="coqui")),
        replace(HELLO, voice=replace(VOICE, speaker="p225")),
        replace(HELLO, voice=replace(VOICE, manner=Manner(temperature=0.5))),
        replace(HELLO, rate=0.8),
        replace(HELLO, text="hello."),
        replace(HELLO, after="0123456789abcdef"),
    ],
    ids=["identity", "voice", "speaker", "temperature", "rate", "text", "after"],
)
async def test_all_that_changes_the_sound_is_in_the_key(tmp_path: Path, changed: Wanted) -> None:
    await store(tmp_path, HELLO)
    assert await found(tmp_path, changed) is None


async def test_what_the_server_does_to_the_sound_is_not(tmp_path: Path) -> None:
    """A preset that is only softer, or pauses longer, finds what its voice said."""
    await store(tmp_path, HELLO)
    softer = replace(VOICE, manner=Manner(gain=-6.0, pause=1.0), description="Softer")
    assert await found(tmp_path, replace(HELLO, voice=softer)) == STORED


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)


def anna(folder: Path) -> Voice:
    make(folder, "anna")
    return read_voice(folder / "anna")


async def test_a_recorded_voice_is_its_recording_wherever_it_is(tmp_path: Path) -> None:
    voice = anna(tmp_path / "one")
    await store(tmp_path, replace(HELLO, voice=voice))
    moved = anna(tmp_path / "two")
    assert moved.clips[0].path != voice.clips[0].path
    assert await found(tmp_path, replace(HELLO, voice=replace(moved, name="Anna"))) == STORED
    other_words = replace(moved, clips=(replace(moved.clips[0], text="Other words."),))
    assert await found(tmp_path, replace(HELLO, voice=other_words)) is None
    flip_a_bit(Path(moved.clips[0].path))
    assert await found(tmp_path, replace(HELLO, voice=read_voice(tmp_path / "two/anna"))) is None


async def test_a_recording_that_changed_is_not_spoken_for_before_it_is_read_again(
    tmp_path: Path, cache: SentenceCache
) -> None:
    wanted = replace(HELLO, voice=anna(tmp_path))
    await store(tmp_path, wanted)
    key = await key_of(cache, wanted)
    assert key is not None
    os.utime(wanted.voice.clips[0].path, (1, 1))
    assert await key_of(cache, wanted) is None
    before = files(tmp_path)[0].read_bytes()
    cache.store(wanted, key, replace(STORED, mark="made of the new one"))
    await cache.close()
    assert files(tmp_path)[0].read_bytes() == before


async def test_a_speaker_of_csm_is_what_it_said_first(tmp_path: Path, cache: SentenceCache) -> None:
    """Before that it sounds otherwise each time, and after `reroll` it is another."""
    reference = tmp_path / "0.json"
    csm = Identified("a checkpoint", (str(reference),))
    wanted = Wanted(csm, fake_voice("speaker_0", engine="csm"), 1.0, "Hello.", "")
    assert await key_of(cache, wanted) is None
    reference.write_text("a calm sentence")
    await store(tmp_path, wanted)
    assert await found(tmp_path, wanted) == STORED
    reference.write_text("another one")
    assert await found(tmp_path, wanted) is None
    stranger = replace(wanted, voice=fake_voice("speaker_0", engine="csm"))
    assert await key_of(cache, replace(stranger, voice=replace(VOICE, speaker="7"))) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:40],
        lambda content: b"",
        lambda content: b"RIFF" + content[4:],
        lambda content: content[:90] + bytes([content[90] ^ 1]) + content[91:],
    ],
    ids=["short", "long", "a head", "empty", "foreign", "a bit"],
)
async def test_what_is_damaged_goes(
    tmp_path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    path = await store(tmp_path, HELLO)
    path.write_bytes(damage(path.read_bytes()))
    assert await found(tmp_path, HELLO) is None
    assert not path.exists()
    assert "is damaged" in caplog.text


async def test_a_file_under_anothers_name_goes(tmp_path: Path) -> None:
    path, other = await store(tmp_path, HELLO), replace(HELLO, text="Bye.")
    theirs = await store(tmp_path, other)
    theirs.write_bytes(path.read_bytes())
    assert await found(tmp_path, other) is None
    assert files(tmp_path) == [path]


async def test_a_huge_file_is_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = await store(tmp_path, HELLO)
    with path.open("r+b") as file:
        file.truncate(2**27)
    assert await found(tmp_path, HELLO) is None
    assert not path.exists()
    assert "too large" in caplog.text


async def test_what_cannot_be_stored_is_one_warning(
    tmp_path: Path, cache: SentenceCache, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sentences").write_text("no folder")  # as good as one that is only to be read
    for number in range(3):
        wanted = replace(HELLO, text=f"{number}.")
        key = await key_of(cache, wanted)
        assert key is not None
        cache.store(wanted, key, STORED)
    await cache.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_a_slow_disk_holds_up_nothing(tmp_path: Path, cache: SentenceCache) -> None:
    """What it cannot take is left out, not gathered."""
    key = await key_of(cache, HELLO)
    assert key is not None
    texts = [replace(HELLO, text=f"{number}.") for number in range(MOST_WAITING + 5)]
    keys = (await cache.find(texts)).keys
    for wanted, its in zip(texts, keys, strict=True):  # the loop does not turn meanwhile
        assert its is not None
        cache.store(wanted, its, STORED)
    await cache.close()
    assert len(files(tmp_path)) == MOST_WAITING


@settings(max_examples=30, deadline=None)
@given(uses=st.lists(st.tuples(st.integers(0, 7), st.integers(1, 60)), max_size=25))
def test_those_used_last_stay_within_the_bound(
    tmp_path_factory: pytest.TempPathFactory, uses: Iterable[tuple[int, int]]
) -> None:
    """Against a list: the most recently used first, as many as there is room for."""
    cache = DiskCache(tmp_path_factory.mktemp("lru"), ".x", most_bytes=100)
    expected: list[tuple[str, int]] = []  # the newest first
    for moment, (number, size) in enumerate(uses):
        path = cache.path(str(number))
        known = dict(expected).get(path.name)
        if known is not None:
            assert cache.read(path, Path.read_bytes) is not None
            size = known
        else:
            for _ in cache.write(path, [bytes(size)]):
                pass
        os.utime(path, (moment, moment))
        expected = [(path.name, size), *(one for one in expected if one[0] != path.name)]
        while sum(size for _, size in expected) > 100:
            expected.pop()
        there = {path.name for path in cache.folder.iterdir()}
        assert there == {name for name, _ in expected}
