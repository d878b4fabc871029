"""CSM's voices as the server sees them."""

import sys
from pathlib import Path

import pytest

from tests.voice_folders import make
from wyoming_csm.config import Config
from wyoming_csm.engines.csm import csm_engine, probe
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.voices import VoiceBook


def test_a_recorded_voice_takes_the_place_of_a_bare_speaker_of_its_name(tmp_path: Path) -> None:
    """Else the recording that its owner put there would never be heard."""
    book = VoiceBook(tmp_path)
    engine = csm_engine(Config(), book)
    bare = [f"speaker_{number}" for number in range(4)]
    assert [voice.name for voice in engine.voices] == bare
    for name in ("anna", "speaker_1"):
        make(tmp_path, name)
    book.refresh()  # while the server runs
    assert [voice.name for voice in engine.voices] == ["anna", "speaker_1", *bare[:1], *bare[2:]]
    assert [bool(voice.clips) for voice in engine.voices] == [True, True, False, False, False]


def test_a_package_that_is_needed_and_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # as if it were not installed
    probe()
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(EngineUnavailable, match="not installed: tokenizers"):
        probe()
