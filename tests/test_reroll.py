"""`wyoming-csm voices reroll`: speakers without a clip get another voice, and nothing else does."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.test_voices_command import clip, config, new
from wyoming_csm.__main__ import main
from wyoming_csm.config import PresetConfig
from wyoming_csm.errors import RequestError, StoreError
from wyoming_csm.voices_command import add_voice, reroll_voice
from wyoming_csm.worker.csm.speaker_files import SpeakerFiles

__all__ = ["clip"]  # a fixture


def test_a_speaker_gets_another_voice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = SpeakerFiles(tmp_path / "speakers", "abc", 2, 16)
    before = [files.look(number).seed for number in (1, 2)]
    assert main(["voices", "reroll", "speaker_2", "--data-dir", str(tmp_path)]) == 0
    assert files.look(1).seed == before[0]
    assert files.look(2).seed != before[1]
    assert "speaker_2 gets another voice" in capsys.readouterr().out
    assert [path.name for path in (tmp_path / "speakers").iterdir()] == ["2.seed"]


async def test_only_speakers_get_another_voice(tmp_path: Path, clip: Path) -> None:
    settings = config(tmp_path, night=PresetConfig(voice="speaker_1"))
    await add_voice(settings, new(clip))
    for name, said in (
        ("anna", "recorded voice, it sounds like its clip: `voices add anna CLIP --replace`"),
        ("night", "a preset of 'speaker_1': only speaker_0 to speaker_3"),
        ("system_en-US", "only speaker_0 to speaker_3"),
        ("speaker_4", "only speaker_0 to speaker_3"),
        ("", "only speaker_0 to speaker_3"),
    ):
        with pytest.raises(RequestError) as refused:
            reroll_voice(settings, name)
        assert said in str(refused.value)
    with pytest.raises(RequestError, match="left out by --light"):
        reroll_voice(replace(settings, engines=("system",)), "speaker_0")
    (tmp_path / "speakers").write_text("")
    with pytest.raises(StoreError, match="speakers cannot be written: "):
        reroll_voice(settings, "speaker_0")
    assert (tmp_path / "speakers").read_text() == ""
