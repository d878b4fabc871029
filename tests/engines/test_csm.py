"""CSM's voices as the server sees them."""

import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.engines.helpers import started
from tests.server.clients import logged
from tests.simulated_time import simulate
from tests.voice_folders import make
from wyoming_csm.config import Config, CsmConfig
from wyoming_csm.engines import csm
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.csm import csm_engines, probe
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.process import ChildProcess
from wyoming_csm.errors import EngineUnavailable, Unsuited
from wyoming_csm.installer import INSTALLER
from wyoming_csm.voice_book import VoiceBook
from wyoming_csm.worker.protocol import Configure, FromChild, Prepared, Ready, ToChild, Working


def test_a_recorded_voice_replaces_a_bare_speaker_of_its_name(tmp_path: Path) -> None:
    """A recording that its owner put there is what listeners are to get."""
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


class Idle:
    """A child that is ready as soon as it is told which engine it is, and has nothing to do."""

    pid = 0

    def __init__(self, told: list[ToChild]) -> None:
        self._told = told
        self._messages: asyncio.Queue[FromChild] = asyncio.Queue()

    def send(self, message: ToChild) -> None:
        self._told.append(message)
        if isinstance(message, Configure):
            self._messages.put_nowait(Ready("", 1))

    async def receive(self) -> FromChild:
        try:
            return self._messages.get_nowait()
        except asyncio.QueueEmpty:
            await asyncio.sleep(1)
            return Working(15)

    async def end(self) -> str:
        return "exit code 0"


@pytest.mark.parametrize(("unload", "seconds"), [("90s", 90), ("10m", 600)])
def test_a_list_of_devices_is_a_child_on_each(
    unload: str, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[ToChild] = []

    async def spawn(command: Sequence[str]) -> Idle:
        return Idle(told)

    async def scene() -> float:
        each = csm_engines(Config(csm=settings), VoiceBook(tmp_path))
        assert [engine.name for engine in each] == ["csm", "csm"]
        assert [engine.title for engine in each] == ["csm on cuda:0", "csm on cpu"]
        for engine in each:
            await started(engine)
        began, changed = asyncio.get_running_loop().time(), asyncio.Event()
        for engine in each:
            engine.subscribe(changed.set)
        while any(engine.status.phase is not Phase.ASLEEP for engine in each):
            await changed.wait()
            changed.clear()
        worked = asyncio.get_running_loop().time() - began
        await asyncio.gather(*(engine.stop() for engine in each))
        return worked

    monkeypatch.setattr(ChildProcess, "spawn", spawn)
    settings = CsmConfig(device=("cuda:0", "cpu"), idle_unload=unload)
    assert simulate(scene()) == pytest.approx(seconds, abs=3)
    first = [one for one in told if isinstance(one, Configure)]
    assert [(one.engine, one.settings["device"]) for one in first] == [
        ("csm", "cuda:0"),
        ("csm", "cpu"),
    ]


def test_a_package_that_is_needed_and_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # as if it were not installed
    probe("cpu")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(EngineUnavailable, match="not installed: tokenizers"):
        probe("cpu")


async def test_a_machine_that_is_not_made_for_csm_is_no_cause_for_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is started, and nobody is told that CSM will be installed."""
    caplog.set_level(logging.INFO)
    monkeypatch.setenv(INSTALLER, "install.py")
    monkeypatch.setattr(csm, "signs", frozenset)
    (engine,) = csm_engines(Config(), VoiceBook(tmp_path))
    await started(engine)
    await engine.stop()
    ((level, said),) = [(one.levelno, one.getMessage()) for one in logged(caplog)]
    assert level == logging.INFO
    assert said.startswith("csm is left out: no GPU is here: another engine speaks; `csm: {dev")


def test_who_names_a_gpu_has_the_child_look_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csm, "signs", frozenset)
    probe("cuda:0")
    with pytest.raises(Unsuited):
        probe("auto")
    monkeypatch.setattr(csm, "signs", lambda: frozenset({"kfd"}))
    probe("auto")
