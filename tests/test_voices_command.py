"""The folder of voices from the command line: what goes in, what is refused, what is left."""

import asyncio
import io
import os
import tempfile
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.fake_asr import WORDS, asr
from tests.test_mending import silence, speech
from wyoming_csm.__main__ import main
from wyoming_csm.config import Config, PresetConfig
from wyoming_csm.errors import RequestError, StoreError, VoiceError
from wyoming_csm.recordings import read_voice
from wyoming_csm.voice_book import VoiceBook
from wyoming_csm.voices_command import (
    NewVoice,
    add_voice,
    list_voices,
    remove_voice,
)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "My Recording.WAV"
    soundfile.write(path, speech(8.0), 24_000)
    return path


def config(folder: Path, **presets: PresetConfig) -> Config:
    return Config(voices=str(folder / "voices"), data_dir=str(folder), presets=presets)


def left(folder: Path) -> dict[str, list[str]]:
    """What stands in the folder of voices, hidden things too."""
    voices = folder / "voices"
    there = voices.iterdir() if voices.exists() else ()
    return {path.name: sorted(os.listdir(path)) for path in there}


def new(clip: Path, name: str = "anna", **more: Any) -> NewVoice:
    return NewVoice(name, clip, **({"language": "en", "text": WORDS} | more))


async def test_a_recording_and_its_words_become_a_voice(
    tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await add_voice(config(tmp_path), new(clip, "Zoë 2", language="de-CH"))
    assert left(tmp_path) == {"Zoë 2": ["clip.txt", "clip.wav", "voice.yaml"]}
    voice = read_voice(tmp_path / "voices/Zoë 2")
    assert (voice.name, voice.language, voice.clips[0].text) == ("Zoë 2", "de-CH", WORDS)
    said = capsys.readouterr()
    assert "a person who agrees to it" in said.err
    assert "Take care" not in said.err
    assert said.out.startswith("Zoë 2: 8.0 s, de-CH.")


async def test_words_may_stand_beside_the_clip(tmp_path: Path, clip: Path) -> None:
    clip.with_suffix(".txt").write_text(WORDS)
    await add_voice(config(tmp_path), new(clip, text=None))
    assert read_voice(tmp_path / "voices/anna").clips[0].text == WORDS


@pytest.mark.parametrize(
    "name",
    [
        *("", ".anna", "~a", "-a", "a/b", "../a", "a\\b", "a:b", "a\nb", " a", "a.", "a" * 61),
        *("system_en-US", "coqui_de", "speaker_0", "default", "night", "@eaDir"),
    ],
)
async def test_bad_names_are_refused(tmp_path: Path, clip: Path, name: str) -> None:
    presets = {"night": PresetConfig(voice="anna")}
    with pytest.raises(RequestError, match=r"name|preset"):
        await add_voice(config(tmp_path, **presets), new(clip, name))
    assert left(tmp_path) == {}


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda p: soundfile.write(p, speech(0.5), 24_000), "lasts 0.5 s: 10 to 30 s serve best"),
        (lambda p: soundfile.write(p, speech(61), 24_000), "lasts 61.0 s: 10 to 30 s serve best"),
        (lambda p: soundfile.write(p, silence(9), 24_000), "My Recording.WAV: nothing is heard"),
        (lambda p: p.write_bytes(b"\0\0\0\x1cftypM4A \0\0\0\0"), "is really M4A or MP4: this kind"),
        (lambda p: p.write_bytes(b""), "My Recording.WAV is empty: copy it "),
    ],
)
async def test_a_clip_that_cannot_serve_leaves_nothing(
    tmp_path: Path, clip: Path, make: Callable[[Path], object], fault: str
) -> None:
    make(clip)
    with pytest.raises(VoiceError) as refused:
        await add_voice(config(tmp_path), new(clip))
    assert fault in str(refused.value)
    assert left(tmp_path) == {}


async def test_what_is_missing_is_named(tmp_path: Path, clip: Path) -> None:
    with pytest.raises(RequestError, match=r"missing: --text .*My Recording\.txt beside it"):
        await add_voice(config(tmp_path), new(clip, text=None))
    with pytest.raises(VoiceError, match="--text are empty"):
        await add_voice(config(tmp_path), new(clip, text=""))
    with pytest.raises(RequestError, match="there is no file"):
        await add_voice(config(tmp_path), new(tmp_path / "none.wav"))
    with pytest.raises(VoiceError, match="language: wrong form"):
        await add_voice(config(tmp_path), new(clip, language="english!"))
    assert not (tmp_path / "voices").exists(), "nothing was to be put there yet"
    (tmp_path / "voices").write_text("")
    with pytest.raises(StoreError, match=r"Not a directory|File exists"):
        await add_voice(config(tmp_path), new(clip))


@contextmanager
def another_user() -> Iterator[None]:
    """Root may read everything: meanwhile it is nobody."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("locked", ["anna.wav", "anna.txt", ""])
def test_what_may_not_be_read_is_named_with_what_helps(clip: Path, locked: str) -> None:
    with tempfile.TemporaryDirectory() as name:  # which others may enter, unlike pytest's
        folder = Path(name)
        given = clip.rename(folder / "anna.wav")
        given.with_suffix(".txt").write_text(WORDS)
        folder.chmod(0o755)
        (folder / locked).chmod(0)
        try:
            with another_user(), pytest.raises(RequestError) as told:
                asyncio.run(add_voice(config(folder / "none"), new(given, text=None)))
        finally:
            folder.chmod(0o755)
    named = folder / (locked or "anna.wav")
    assert str(told.value).startswith(f"{named} cannot be read: Permission denied: let user ")


async def test_a_voice_is_replaced_only_when_asked_and_only_by_a_good_one(
    tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await add_voice(config(tmp_path), new(clip))
    (tmp_path / "voices/anna/lexicon.yaml").write_text("Nguyen: win\n")
    with pytest.raises(RequestError, match="is to be replaced"):
        await add_voice(config(tmp_path), new(clip, text="Other words."))
    with pytest.raises(VoiceError, match="empty"):
        await add_voice(config(tmp_path), new(clip, text=" ", replace=True))
    assert read_voice(tmp_path / "voices/anna").clips[0].text == WORDS
    soundfile.write(clip, speech(3.0, 0.01), 24_000)
    await add_voice(config(tmp_path), new(clip, text="Other words.", replace=True))
    assert read_voice(tmp_path / "voices/anna").clips[0].text == "Other words."
    assert list(left(tmp_path)) == ["anna"]
    assert (tmp_path / "voices/anna/lexicon.yaml").read_text() == "Nguyen: win\n"
    said = capsys.readouterr().err
    assert "Take care: it is short (2." in said
    assert "Take care: it is very soft" in said


async def test_the_folder_is_never_there_in_part(tmp_path: Path, clip: Path) -> None:
    """A server that looks at any moment sees the voice whole, or not at all."""
    book, seen = VoiceBook(tmp_path / "voices"), []

    async with asr(lambda event: seen.append(book.refresh() or book.voices)) as uri:
        await add_voice(config(tmp_path), new(clip, text=None, asr=uri))
    assert seen
    assert set(seen) == {()}
    assert book.refresh()
    assert [(voice.name, voice.fault) for voice in book.voices] == [("anna", "")]


async def test_a_voice_is_removed(
    tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = config(tmp_path, night=PresetConfig(voice="anna"))
    for name in ("anna", "bob"):
        await add_voice(settings, new(clip, name))
    (tmp_path / "voices/linked").symlink_to(tmp_path / "voices/bob")
    for name in ("anna", "linked"):
        remove_voice(settings, name)
    assert list(left(tmp_path)) == ["bob"]
    assert "The preset night is made of it" in capsys.readouterr().err
    for name in ("anna", "../voices/bob", ""):
        with pytest.raises(RequestError, match="there is no voice"):
            remove_voice(settings, name)


async def test_all_are_listed_with_what_is_wrong(
    tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    settings = config(tmp_path, night=PresetConfig(voice="anna"))
    for name in ("anna", "bob", "carl"):
        await add_voice(settings, new(clip, name))
    soundfile.write(tmp_path / "voices/bob/clip.wav", silence(9), 24_000)
    (tmp_path / "voices/carl/clip.txt").unlink()
    capsys.readouterr()
    list_voices(settings)
    assert capsys.readouterr().out.splitlines() == [
        "anna  en  8.0 s",
        "bob  en  cannot be used: clip.wav: nothing is heard in it: record it again, with the"
        " microphone on",
        "carl  en  cannot be used, as said above",
        "night  preset of anna",
    ]
    assert "Voice 'carl' cannot be used: clip.txt is missing" in caplog.text


def test_the_words_of_the_command(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(
        "engines: [system]\nvoices: voices\npresets: {slow: {voice: system_de-DE, rate: 0.7}}\n"
    )
    end = ["--config", "c.yaml"]
    added = ["voices", "add", "anna", str(clip), "--text", WORDS, "--language", "de", *end]
    assert [main(added), main(added)] == [0, 2]
    assert "there is a voice 'anna'" in capsys.readouterr().err
    assert main(["--light", "voices", "list", *end]) == 0
    assert "anna  de  8.0 s" in capsys.readouterr().out
    assert main(["voices", "preview", "slow", *end]) == 0
    with wave.open(io.BytesIO((tmp_path / "slow.wav").read_bytes())) as file:
        assert file.getnframes() > 4 * 24_000
    assert main(["voices", "preview", "zoe", *end]) == 2
    assert "There is no voice 'zoe'" in capsys.readouterr().err
    assert main(["voices", "remove", "anna", *end]) == 0
    assert list((tmp_path / "voices").iterdir()) == []
