"""Files of words that change while they are used: an installation's, voices', presets'."""

import os
from pathlib import Path
from typing import Any

import pytest
from wyoming.event import Event
from wyoming.tts import Synthesize

from tests.fakes import FakeEngine, fake_voice
from tests.server.clients import peer, serving
from tests.voice_folders import no_descriptors
from wyoming_csm.config import Config, PresetConfig
from wyoming_csm.errors import ConfigError
from wyoming_csm.lexicons import Lexicons
from wyoming_csm.voices import Voice

ANNA, BOB = fake_voice("anna"), fake_voice("bob")
NIGHT = Voice(name="night", base="anna", language="en", description="", engine="fake")


def config(folder: Path, **presets: PresetConfig) -> Config:
    (folder / "voices/anna").mkdir(parents=True, exist_ok=True)
    return Config(
        voices=str(folder / "voices"), lexicon=str(folder / "lexicon.yaml"), presets=presets
    )


def test_a_presets_words_count_before_its_voices_and_those_before_the_houses(
    tmp_path: Path,
) -> None:
    settings = config(tmp_path, night=PresetConfig(voice="anna", lexicon={"one": "preset"}))
    (tmp_path / "lexicon.yaml").write_text("one: house\ntwo: house\nthree: house\n")
    (tmp_path / "voices/anna/lexicon.yaml").write_text("one: voice\ntwo: voice\n")
    lexicons = Lexicons(settings)
    said = [respelled(lexicons, "one two three", voice) for voice in (NIGHT, ANNA, BOB)]
    assert said == ["preset voice house", "voice voice house", "house house house"]


def test_files_are_read_again_when_they_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lexicons = Lexicons(config(tmp_path))
    file = tmp_path / "voices/anna/lexicon.yaml"
    file.write_text("Nest: nesst")
    assert respelled(lexicons, "The Nest.", ANNA) == "The Nest."
    lexicons.refresh()
    assert respelled(lexicons, "The Nest.", ANNA) == "The nesst."
    file.write_text("Nest: ne")
    lexicons.refresh()
    assert respelled(lexicons, "The Nest.", ANNA) == "The ne."
    file.unlink()
    lexicons.refresh()
    assert respelled(lexicons, "The Nest.", ANNA) == "The Nest."
    assert caplog.messages == []


def test_a_voice_that_comes_back_has_its_words_again(tmp_path: Path) -> None:
    """As one does that another process replaces while the folder is looked at."""
    lexicons, voices = Lexicons(config(tmp_path)), tmp_path / "voices"
    (voices / "anna/lexicon.yaml").write_text("Nest: nesst")
    for there, said in ((True, "The nesst."), (False, "The Nest."), (True, "The nesst.")):
        if not there:
            voices.rename(tmp_path / "elsewhere")
        elif not voices.exists():
            (tmp_path / "elsewhere").rename(voices)
        lexicons.refresh()
        assert respelled(lexicons, "The Nest.", ANNA) == said


def test_a_folder_that_cannot_be_looked_at_takes_no_words_away(tmp_path: Path) -> None:
    lexicons, voices = Lexicons(config(tmp_path)), tmp_path / "voices"
    (voices / "anna/lexicon.yaml").write_text("Nest: nesst")
    lexicons.refresh()
    with no_descriptors():
        lexicons.refresh()
    assert respelled(lexicons, "The Nest.", ANNA) == "The nesst."


def test_a_disk_that_fails_takes_no_words_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As a soft mount does: it is said once for each file, and afterwards what is there counts."""
    lexicons, files = Lexicons(config(tmp_path)), (Path("voices/anna"), Path())
    for folder in files:
        (tmp_path / folder / "lexicon.yaml").write_text("Nest: nesst")
    lexicons.refresh()
    stat = os.stat

    def failing(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        if str(path).endswith("lexicon.yaml"):
            raise OSError(5, "Input/output error", path)
        return stat(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", failing)
        for _ in range(3):
            lexicons.refresh()
            assert respelled(lexicons, "The Nest.", ANNA) == "The nesst."
            assert respelled(lexicons, "The Nest.", BOB) == "The nesst."
    assert len(caplog.messages) == 2
    assert all("Input/output error; what it had before is used" in m for m in caplog.messages)
    (tmp_path / "lexicon.yaml").unlink()
    lexicons.refresh()
    assert respelled(lexicons, "The Nest.", ANNA) == "The nesst."
    assert respelled(lexicons, "The Nest.", BOB) == "The Nest."


def test_a_change_counts_though_the_file_has_the_same_size_and_times(tmp_path: Path) -> None:
    """As on a shared disk that has whole seconds only, or shows the times late."""
    lexicons = Lexicons(config(tmp_path))
    file = tmp_path / "lexicon.yaml"
    for words in ("nesst", "nests"):
        file.write_text(f"Nest: {words}")
        os.utime(file, (1, 1))
        lexicons.refresh()
        assert respelled(lexicons, "The Nest.", ANNA) == f"The {words}."


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Nest: [a", "line 1, column"),
        ("[Nest]", "write a table of words"),
        ("Nest: 3", "'Nest': write both words in quotes"),
        ("a: b\na: c", "line 2: 'a' is set twice"),
        ("a" * 300_000, "it is larger than 256 KiB"),
    ],
)
def test_a_broken_file_is_named_once_and_the_last_good_one_counts(
    tmp_path: Path, text: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "lexicon.yaml"
    file.write_text("Nest: nesst")
    lexicons = Lexicons(config(tmp_path))
    file.write_text(text)
    for _ in range(3):
        lexicons.refresh()
    assert respelled(lexicons, "The Nest.", BOB) == "The nesst."
    (line,) = caplog.messages
    assert line.startswith(f"The lexicon {file} cannot be used: ")
    assert fault in line
    assert line.endswith("; what it had before is used")
    file.write_text("Nest: ne")
    lexicons.refresh()
    assert respelled(lexicons, "The Nest.", BOB) == "The ne."


def test_a_pipe_is_not_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.mkfifo(tmp_path / "lexicon.yaml")
    assert respelled(Lexicons(config(tmp_path)), "The Nest.", BOB) == "The Nest."
    assert "it is not a file" in caplog.text


def test_a_presets_wrong_words_are_named(tmp_path: Path) -> None:
    wrong = config(tmp_path, night=PresetConfig(voice="anna", lexicon={"a": ""}))
    with pytest.raises(ConfigError, match=r"presets\.night\.lexicon: 'a': on each side"):
        Lexicons(wrong)


def respelled(lexicons: Lexicons, text: str, voice: Voice) -> str:
    return "".join(said for _, said in lexicons.replacements(text, voice))


async def test_a_listener_gets_the_words_of_the_lexicon(tmp_path: Path) -> None:
    (tmp_path / "lexicon.yaml").write_text("wi-fi: why fie")
    settings = config(tmp_path)
    engine = FakeEngine(voices=(ANNA,))
    more: dict[str, Any] = {"voices": settings.voices, "lexicon": settings.lexicon}
    ssml = Event("synthesize", {"text": "<speak>Wi-Fi!</speak>", "text_format": "ssml"})
    async with serving(engine, **more) as server, peer(server) as client:
        for event in (Synthesize("The Wi-Fi is on.").event(), ssml):
            await client.send(event)
            await client.until("audio-stop")
    assert engine.asked == ["The why fie is on.", "why fie!"]


def test_a_folder_whose_name_is_no_text_is_no_voices(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As an archive of another system leaves it; all servers of one folder would end by it."""
    settings = config(tmp_path)
    for name in (b"caf\xe9", b"a\nb", b"a\x1b[2J"):
        folder = os.path.join(os.fsencode(settings.voices), name)
        os.mkdir(folder)
        with open(os.path.join(folder, b"lexicon.yaml"), "w") as file:
            file.write("- no lexicon")
    (tmp_path / "voices/anna/lexicon.yaml").write_text("Nest: nesst")
    assert respelled(Lexicons(settings), "The Nest.", ANNA) == "The nesst."
    assert caplog.messages == []
