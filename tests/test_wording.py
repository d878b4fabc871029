"""Which voice says a sentence, and in which words."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.fakes import fake_voice
from wyoming_csm.config import Config
from wyoming_csm.lexicons import Lexicons
from wyoming_csm.text.pieces import Speak
from wyoming_csm.voices import Voice
from wyoming_csm.wording import Wording

ANNA, HANS, MIA = fake_voice("anna"), fake_voice("hans", "de"), fake_voice("mia", "fr-FR")


class House:
    """All voices there are; some of them nobody can speak."""

    def __init__(self, voices: Sequence[Voice], *mute: Voice) -> None:
        self.voices, self._mute = voices, mute

    def voice_for(self, voice: Voice) -> Voice | None:
        return None if voice in self._mute else voice


def wording(folder: Path, *mute: Voice, own: Voice = ANNA, default: str | None = None) -> Wording:
    config = Config(
        voice=default, lexicon=str(folder / "lexicon.yaml"), voices=str(folder / "voices")
    )
    return Wording(own, House((ANNA, HANS, MIA), *mute), Lexicons(config), config)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (Speak("5"), "anna"),
        (Speak("5", voice="mia"), "mia"),
        (Speak("5", voice="nobody"), "anna"),
        (Speak("5", language="de-CH"), "hans"),
        (Speak("5", language="en-GB"), "anna"),
        (Speak("5", voice="nobody", language="fr"), "mia"),
        (Speak("5", voice="mia", language="de"), "mia"),  # named, whatever its words are in
        (Speak("5", voice="mia", language="de", inner=True), "hans"),
        (Speak("5", voice="mia", language="fr-CA", inner=True), "mia"),
        (Speak("5", voice="mia", language="nl", inner=True), "mia"),
    ],
)
def test_the_voice_of_a_sentence(tmp_path: Path, asked: Speak, name: str) -> None:
    assert wording(tmp_path).voice_of(asked).name == name


def test_a_voice_that_nobody_can_speak_is_none(tmp_path: Path) -> None:
    one = wording(tmp_path, HANS, MIA)
    assert one.voice_of(Speak("5", voice="mia")).name == "anna"
    assert one.voice_of(Speak("5", language="de")).name == "anna"
    assert one.unspoken == {"de"}


def test_the_texts_own_voice_keeps_its_speaker(tmp_path: Path) -> None:
    own = replace(ANNA, speaker="calm")
    one = wording(tmp_path, own=own)
    for asked in (Speak("5", voice="anna"), Speak("5", voice="mia", language="en", inner=True)):
        assert one.voice_of(asked) is own


def test_the_configured_voice_comes_first_for_its_language(tmp_path: Path) -> None:
    assert wording(tmp_path, own=HANS, default="anna").voice_of(Speak("5", language="en")) == ANNA


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Speak("Due 12/5/2026 in the hall"), "Due December fifth, twenty twenty-six in the lobby"),
        (Speak("Due 12/5/2026", language="en-GB"), "Due the twelfth of May twenty twenty-six"),
        (Speak("Um 9:15", language="de"), "Um neun Uhr fünfzehn"),
        (Speak("Om 9:15", language="nl"), "Om nine fifteen"),  # no voice has it
    ],
)
def test_the_words_of_a_sentence(tmp_path: Path, asked: Speak, words: str) -> None:
    (tmp_path / "lexicon.yaml").write_text("hall: lobby\n", encoding="utf-8")
    sentence = wording(tmp_path).words_of(asked)
    assert sentence.text == words
    if "lobby" in words:
        assert sentence.changes[0] == ("lexicon", "hall", "lobby")
