"""A clip's words against its length: what nobody can have said is refused, what is odd doubted."""

from pathlib import Path

import pytest
from wyoming.asr import Transcript

from tests.fake_asr import WORDS, asr
from tests.test_voices_command import clip, config, left, new
from wyoming_csm.clip_pace import pace_of
from wyoming_csm.errors import VoiceError
from wyoming_csm.voices_command import add_voice, list_voices

__all__ = ["clip"]  # a fixture


@pytest.mark.parametrize(
    ("words", "seconds", "doubt", "impossible"),
    [
        (WORDS, 8.0, "", False),
        ("Yes.", 2.0, "", False),
        ("word " * 60, 12.0, "", False),
        ("word " * 80, 12.0, "80 words in 12.0 s is more than people say", False),
        ("word " * 140, 12.0, "is more than people say", True),
        ("Good morning, all of you.", 12.0, "5 words in 12.0 s is less than people say", False),
        ("Good.", 12.0, "1 word in 12.0 s is less", True),
        ("... !", 12.0, "0 words", True),
        ("Call 030 1234567 now.", 12.0, "", False),
        ("It was 1984, and 12:30, 3.14, 2001.", 1.7, "", False),
        ("don't it's well-known l\u2019eau", 0.7, "", False),
        ("\u4eca\u65e5\u306f\u3044\u3044\u5929\u6c17\u3067\u3059\u306d", 12.0, "", False),
    ],
)
def test_words_are_compared_with_the_length(
    words: str, seconds: float, doubt: str, impossible: bool
) -> None:
    pace = pace_of(words, seconds)
    assert bool(pace.doubt) == bool(doubt)
    assert doubt in pace.doubt
    assert pace.impossible == impossible


async def test_words_of_another_recording_are_refused_or_doubted(
    tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also those that a server understood, and in the list."""
    for words in (WORDS * 10, "Hm."):
        with pytest.raises(VoiceError, match="than people say"):
            await add_voice(config(tmp_path), new(clip, text=words))
    async with asr(answer=Transcript("Oh.").event()) as uri:
        with pytest.raises(VoiceError, match=r"1 word in 8\.0 s is less"):
            await add_voice(config(tmp_path), new(clip, text=None, asr=uri))
    assert left(tmp_path) == {}
    await add_voice(config(tmp_path), new(clip, text="Only some of it."))
    assert "Take care: 4 words in 8.0 s is less" in capsys.readouterr().err
    list_voices(config(tmp_path))
    assert "anna  en  8.0 s; 4 words in 8.0 s is less" in capsys.readouterr().out
