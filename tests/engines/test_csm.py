"""CSM's voices as the server sees them."""

import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.voice_folders import make
from wyoming_csm.config import Config, CsmConfig
from wyoming_csm.engines.csm import csm_engines, probe
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.voice_book import VoiceBook
from wyoming_csm.worker.protocol import Prepared


def test_a_recorded_voice_replaces_a_bare_speaker_of_its_name(tmp_path: Path) -> None:
    """A recording that its owner put there is what listeners are to hear."""
    book = VoiceBook(tmp_path)
    (engine,) = csm_engines(Config(), book)
    bare = [f"speaker_{number}" for number in range(4)]
    assert [voice.name for voice in engine.voices] == bare
    for name in ("anna", "speaker_1"):
        make(tmp_path, name)
    book.refresh()  # while the server runs
    assert [voice.name for voice in engine.voices] == ["anna", "speaker_1", *bare[:1], *bare[2:]]
    assert [bool(voice.clips) for voice in engine.voices] == [True, True, False, False, False]


async def test_what_any_gpu_finds_out_about_a_recording_holds_for_all(tmp_path: Path) -> None:
    """The list is told, and another voice speaks instead, also if the first GPU cannot be used."""
    for name in ("anna", "bert"):
        make(tmp_path, name)
    book = VoiceBook(tmp_path)
    book.refresh()
    devices = ("cuda:0", "cuda:1", "cuda:2")
    each = csm_engines(replace(Config(), csm=CsmConfig(device=devices)), book)
    pool = Fallback(each)
    changes: list[str] = []
    for member in each:
        member.subscribe(lambda: changes.append(pool.voices[1].fault))
    bert = pool.voices[1]
    for member in each[1:]:
        member.receive(Prepared(bert.clips[0], "it is too short"))
        assert [voice.fault for voice in pool.voices[:3]] == ["", "it is too short", ""]
        found = pool.voice_for(bert)
        assert found is not None
        assert found.name == "anna"
    each[0].receive(Prepared(bert.clips[0], ""))  # asked to look again, it was mended
    assert pool.voice_for(bert) == bert
    assert changes == ["it is too short", ""]


def test_a_list_of_devices_is_a_child_on_each(tmp_path: Path) -> None:
    csm = CsmConfig(device=("cuda:0", "cpu"), idle_unload="10m")
    each = csm_engines(Config(csm=csm), VoiceBook(tmp_path))
    assert [engine.name for engine in each] == ["csm", "csm"]
    assert [engine.title for engine in each] == ["csm on cuda:0", "csm on cpu"]
    supervisors = [engine._supervisor for engine in each]
    assert [one._configure.settings["device"] for one in supervisors] == ["cuda:0", "cpu"]
    assert [one._configure.engine for one in supervisors] == ["csm", "csm"]
    assert [one._patience.idle for one in supervisors] == [600.0, 600.0]


def test_a_package_that_is_needed_and_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # as if it were not installed
    probe()
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(EngineUnavailable, match="not installed: tokenizers"):
        probe()
