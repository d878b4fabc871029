"""One folder of voices and speakers, many who read and write it: replicas, commands."""

import asyncio
import dataclasses
import os
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import soundfile
from aiohttp import ClientSession, FormData
from msgspec.structs import replace

from tests.server.http.test_voices import form
from tests.test_mending import speech
from wyoming_csm import app as app_module
from wyoming_csm.__main__ import main
from wyoming_csm.app import VOICES_SECONDS, App
from wyoming_csm.config import Config, HttpConfig
from wyoming_csm.errors import RequestError, VoiceExists
from wyoming_csm.recordings import read_voice
from wyoming_csm.server.admission import Admission
from wyoming_csm.server.http.door import HttpDoor
from wyoming_csm.silent_disk import MOST
from wyoming_csm.voice_book import BEFORE, CHANGING, VoiceBook
from wyoming_csm.voice_choice import VoiceRequest
from wyoming_csm.voice_folders import discard, make_voice, rename

ROOT = Path(__file__).parents[1]
TIMES = 8
# A process of its own: replaces one voice again and again, and makes others.
WRITER = """
import sys
from pathlib import Path
from wyoming_csm.config import Config
from wyoming_csm.voice_folders import make_voice
folder, clip, words, times = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(times)):
    make_voice(Config(voices=folder), "anna", Path(clip), words, "en", replacing=True)
    make_voice(Config(voices=folder), f"bea_{number}", Path(clip), words, "en")
"""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.wav"
    soundfile.write(path, speech(2.0), 24_000)
    return path


def config(tmp_path: Path) -> Config:
    return Config(voices=str(tmp_path / "voices"), data_dir=str(tmp_path / "data"))


def looks(book: VoiceBook) -> Iterator[str]:
    """What a server that reads meanwhile has as words of the voice that is fought over."""
    while True:
        book.refresh()
        assert [voice.fault for voice in book.voices if voice.fault] == []
        (anna,) = (voice for voice in book.voices if voice.name == "anna")
        yield anna.clips[0].text


@pytest.mark.slow(3)
async def test_two_who_replace_one_voice_at_once_leave_it_whole_at_every_moment(
    tmp_path: Path, clip: Path
) -> None:
    """It is the one or the other, for who reads meanwhile, too; other names are not touched."""
    settings = config(tmp_path)
    ours, theirs = "These words are ours.", "These words are theirs."
    make_voice(settings, "anna", clip, ours, "en")
    command = (sys.executable, "-c", WRITER, settings.voices, str(clip), theirs, str(TIMES))
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    looking = looks(VoiceBook(Path(settings.voices)))
    seen = {next(looking)}  # before the fight: what is not known yet cannot stay
    process.stdin.write(b"go\n")
    ending = asyncio.create_task(process.wait())
    while not ending.done():
        make = partial(make_voice, settings, "anna", clip, ours, "en", replacing=True)
        making = asyncio.create_task(asyncio.to_thread(make))
        while not making.done():
            seen.add(await asyncio.to_thread(next, looking))
        assert (await making).name == "anna"
    assert await ending == 0
    assert seen <= {ours, theirs}
    assert next(looking) in seen
    bees = [f"bea_{number}" for number in range(TIMES)]
    assert sorted(os.listdir(settings.voices)) == sorted(["anna", *bees]), "nothing is left"


@pytest.mark.parametrize("replacing", [True, False])
def test_where_another_was_quicker_by_a_moment_who_may_replace_it_is_the_last(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, replacing: bool
) -> None:
    settings = config(tmp_path)
    make_voice(settings, "other", clip, "These words are theirs.", "en")
    anna, rename, moments = Path(settings.voices, "anna"), Path.rename, iter([True])

    def late(path: Path, target: Path) -> Path:
        if target == anna and next(moments, False):
            shutil.copytree(anna.with_name("other"), anna)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", late)
    make = partial(make_voice, settings, "anna", clip, "These words are ours.", "en", replacing)
    if replacing:
        assert make().name == "anna"
    else:
        with pytest.raises(VoiceExists):
            make()
    words = read_voice(anna).clips[0].text
    assert words == ("These words are ours." if replacing else "These words are theirs.")
    assert sorted(os.listdir(settings.voices)) == ["anna", "other"]


@asynccontextmanager
async def replica(settings: Config, name: str) -> AsyncIterator[tuple[App, ClientSession]]:
    """One of several servers, with data of its own; its engines are not started."""
    own = replace(settings, data_dir=str(Path(settings.data_dir) / name))
    own = replace(own, http=HttpConfig(address="127.0.0.1:0"))
    app = App(own)
    door = HttpDoor(own, app.answers, app.engines, app.look_at_voices, Admission(own.limits))
    async with door, ClientSession(f"http://127.0.0.1:{door.port}") as client:
        yield app, client


async def test_what_is_added_on_one_replica_is_on_all_after_their_next_look(
    tmp_path: Path, clip: Path
) -> None:
    """By the command and over HTTP, with words and lexicon; and so is what is taken away."""
    settings = config(tmp_path)
    words = ("voices", "add", "anna", str(clip), "--text", "These are the words.")
    file = tmp_path / "config.yaml"
    file.write_text(f"voices: {settings.voices}\ndata_dir: {settings.data_dir}\n")
    recording = await asyncio.to_thread(clip.read_bytes)
    async with replica(settings, "one") as (one, client), replica(settings, "other") as (other, _):
        assert await asyncio.to_thread(main, [*words, "--config", str(file)]) == 0
        form = FormData({"text": "These are more words."})
        form.add_field("clip", recording, filename="clip.wav")
        async with client.post("/api/voices/bea", data=form) as answer:
            assert answer.status == 201
        (Path(settings.voices) / "bea/lexicon.yaml").write_text("Nest: nesst")
        await other.look_at_voices()
        await one.look_at_voices()
        assert one.engine.voices == other.engine.voices, "in one order, with the same content"
        anna, bea = other.book.voices
        assert [voice.clips[0].text for voice in (anna, bea)] == [
            *("These are the words.", "These are more words."),
        ]
        for app in (one, other):
            assert app.lexicons.replacements("Nest", bea) == [("Nest", "nesst")]
        async with client.delete("/api/voices/anna") as answer:
            assert answer.status == 200
        await other.look_at_voices()
        assert other.book.voices == one.book.voices == (bea,)
    assert VOICES_SECONDS <= 5, "the next look is soon"


async def test_a_voice_just_made_on_one_replica_is_found_by_its_name_on_another(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a balancer the next request goes to whichever; a name nobody has costs few looks."""
    monkeypatch.setattr(app_module, "MISSED_SECONDS", 1_000.0)
    settings = config(tmp_path)
    async with replica(settings, "one") as (one, _), replica(settings, "other") as (_, client):
        make_voice(settings, "bea", clip, "Dies sind die Worte.", "de")
        for wanted, language in (("bea", "de"), ("nobody", "en"), ("bea", "de")):
            wish = {"text": "7", "voice": wanted}
            async with client.post("/api/words", json=wish) as answer:
                assert (await answer.json())["language"] == language
        make_voice(settings, "carl", clip, "Dies sind die Worte.", "de")
        async with client.post("/api/words", json={"text": "7", "voice": "carl"}) as answer:
            assert (await answer.json())["language"] == "en", "it has just looked"
        assert one.book.voices == (), "nobody asked there"


async def test_a_folder_that_hangs_is_told_to_who_changes_it_and_holds_up_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the loop, which all replies go through, nor more than a few threads."""
    monkeypatch.setattr("wyoming_csm.server.http.house.CHANGE_SECONDS", 0.1)
    back = threading.Event()

    def hangs(*args: object) -> bool:
        return back.wait(60.0)

    for name in ("is_there", "reroll", "check_new"):
        monkeypatch.setattr(f"wyoming_csm.server.http.voices.{name}", hangs)
    try:
        async with replica(config(tmp_path), "one") as (_, client):
            before = threading.active_count()
            for _ in range(2 * MOST):
                for ask in (
                    client.delete("/api/voices/anna"),
                    client.post("/api/voices/anna/rename", json={"name": "bea"}),
                    client.post("/api/voices/speaker_0/reroll"),
                    client.post("/api/voices/bea", data=form(text="Dies sind die Worte.")),
                ):
                    async with ask as answer:
                        assert answer.status == 500
                        assert "does not answer" in await answer.text()
            assert threading.active_count() <= before + 2 * MOST
            async with client.get("/health/live") as answer:
                assert answer.status == 200
            async with client.post("/api/clips/judge", data=form()) as answer:
                assert answer.status == 200, "the disk of voices has no part in it"
    finally:
        back.set()


async def test_a_name_that_is_known_is_not_looked_for(tmp_path: Path, clip: Path) -> None:
    app = App(config(tmp_path))
    looks = 0

    async def look() -> None:
        nonlocal looks
        looks += 1
        await app.look_at_voices()

    context = dataclasses.replace(app.answers, look=look)
    make_voice(config(tmp_path), "bea", clip, "Dies sind die Worte.", "de")
    for wanted in ("bea", "bea", None):
        voice, complaint = await context.choose(VoiceRequest(name=wanted))
        assert voice is not None
        assert complaint == ""
        assert wanted in (voice.name, None)
    assert looks == 1


def test_what_a_process_left_that_was_ended_amid_a_change_is_cleared_away(
    tmp_path: Path, clip: Path
) -> None:
    """The only folder of a voice comes back; what another does just now is not touched."""
    settings = config(tmp_path)
    folder = Path(settings.voices)
    for name in ("anna", "bea"):
        make_voice(settings, name, clip, "These are the words.", "en")
    for name, hours in (("left", 2), ("new", 0)):
        hidden = folder / f"{CHANGING}{name}"
        shutil.copytree(folder / "bea", hidden / BEFORE / "bea")
        if name == "left":
            (folder / "anna").rename(hidden / BEFORE / "anna")
        now = folder.stat().st_mtime
        os.utime(hidden, (now - 3_600 * hours,) * 2)
    make_voice(settings, "cleo", clip, "These are the words.", "en")
    there = ["anna", "bea", "cleo"]
    assert sorted(os.listdir(folder)) == [f"{CHANGING}new", *there]
    book = VoiceBook(folder)
    book.refresh()
    assert [(voice.name, voice.fault) for voice in book.voices] == [(name, "") for name in there]


def test_a_voice_that_is_taken_away_does_not_come_back(tmp_path: Path, clip: Path) -> None:
    """Though a process that was ended amid a change left what it was before."""
    settings = config(tmp_path)
    folder = Path(settings.voices)
    for name in ("anna", "bea"):
        make_voice(settings, name, clip, "These are the words.", "en")
        hidden = folder / f"{CHANGING}{name}"
        shutil.copytree(folder / name, hidden / BEFORE / name)
        os.utime(hidden, (folder.stat().st_mtime - 7_200,) * 2)
        if name == "anna":
            discard(settings, name)
        else:
            rename(settings, name, "cleo")
    make_voice(settings, "dora", clip, "These are the words.", "en")
    assert sorted(os.listdir(folder)) == ["cleo", "dora"]


def test_what_another_process_took_away_is_not_there(tmp_path: Path, clip: Path) -> None:
    settings = config(tmp_path)
    make_voice(settings, "anna", clip, "These are the words.", "en")
    discard(settings, "anna")
    with pytest.raises(RequestError, match="there is no voice 'anna'"):
        discard(settings, "anna")


def test_replicas_may_share_the_speakers_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = tmp_path / "shared"
    file = tmp_path / "config.yaml"
    file.write_text(f"speakers: {shared}\n")
    words = ("--config", str(file), "--data-dir", str(tmp_path / "data"))
    assert main(["voices", "reroll", "speaker_1", *words]) == 0
    assert [path.name for path in shared.iterdir()] == ["1.seed"]
    assert list((tmp_path / "data").iterdir()) == []
    assert replace(Config(), data_dir="there").speakers_dir == Path("there/speakers")
