"""Each staged fault is named, with the cure that helps, and the exit code tells."""

from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.doctor.fake_machine import OURS, FakeMachine
from tests.doctor.faults import AWAY, FAULTS, FETCHABLE, GATED, PORT, card, facts, no_cards
from tests.test_mending import speech
from tests.voice_folders import make
from wyoming_csm.config import Config, EngineName, parse
from wyoming_csm.doctor.command import Wishes, checks
from wyoming_csm.doctor.finding import Finding, ok
from wyoming_csm.doctor.machine import Answer, Disk, Seen
from wyoming_csm.worker.csm.gpu_faults import Surroundings


async def examine(
    machine: FakeMachine, settings: dict[str, Any] | None = None, wishes: Wishes | None = None
) -> list[Finding]:
    """All findings, with engines that speak."""
    config = parse({"voices": "/no/voices", "coqui": {"checkpoint": __file__}, **(settings or {})})

    async def say(name: EngineName, config: Config) -> Finding:
        return ok(f"say {name}", "spoken")

    return [
        one
        async for one in checks(config, wishes or Wishes(), machine, say)
        if isinstance(one, Finding)
    ]


async def test_a_healthy_machine_has_no_complaint() -> None:
    found = await examine(FakeMachine(), wishes=Wishes(asr="tcp://asr:1"))
    wrong = [one for one in found if one.level in ("warn", "fail")]
    assert [one.name for one in wrong] == ["recogniser"], "which is not there"
    assert {one.name for one in found if one.name.startswith("say")} == {
        "say csm", "say coqui", "say system",
    }  # fmt: skip
    assert all(one.cure for one in wrong)


@pytest.mark.parametrize(
    ("staged", "name", "level", "found", "cure"),
    [fault[1:] for fault in FAULTS],
    ids=[fault[0] for fault in FAULTS],
)
async def test_a_fault_is_named_with_its_cure(
    staged: dict[str, Any], name: str, level: str, found: str, cure: str
) -> None:
    all_found = await examine(FakeMachine(**staged), wishes=Wishes(quick=True, asr="tcp://asr:1"))
    told = [one for one in all_found if one.name == name]
    match = [one for one in told if one.level == level]
    assert match, told
    assert found in match[0].found
    assert cure in match[0].cure
    assert bool(cure) == bool(match[0].cure)


async def test_a_broken_voice_is_named_with_its_cure(tmp_path: Path) -> None:
    (make(tmp_path, "bob") / "clip.txt").unlink()
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "clip.m4a").write_bytes(b"....ftyp")
    found = await examine(FakeMachine(), {"voices": str(tmp_path)}, Wishes(quick=True))
    told = {one.found.partition(":")[0]: one for one in found if one.name == "voices"}
    assert told["bob"].found == "bob: clip.txt is missing"
    assert "write the exact words" in told["bob"].cure
    assert "convert it to WAV" in told["ann"].cure
    assert told["ann"].level == "warn"


@pytest.mark.parametrize(
    ("machine", "settings", "level", "cure"),
    [
        ({}, {}, "ok", ""),
        ({"facts": facts(weights=FETCHABLE)}, {}, "ok", ""),
        ({"facts": no_cards()}, {"csm": {"device": "cpu"}}, "ok", ""),
        ({"facts": no_cards()}, {}, "warn", "see what helps at `PyTorch`"),
        ({"facts": facts(cards=(card((6, 1)),))}, {}, "warn", "see what helps at `PyTorch`"),
        ({"facts": facts(weights=GATED)}, {}, "warn", "`weights`"),
        ({"packages": {}}, {}, "warn", "see what helps at `PyTorch`"),
        ({}, {"engines": ["system"]}, "warn", "start without --light"),
    ],
)
async def test_voices_that_no_engine_speaks_with_are_no_good_news(
    tmp_path: Path, machine: dict[str, Any], settings: dict[str, Any], level: str, cure: str
) -> None:
    (tmp_path / "voices").mkdir()
    bob = make(tmp_path / "voices", "bob")
    soundfile.write(bob / "clip.wav", speech(12.0), 24_000)
    (bob / "clip.txt").write_text(
        "The front door is open, and in the kitchen the light is on. " * 3
    )
    settings = {**settings, "voices": f"{tmp_path}/voices"}
    found = await examine(FakeMachine(**machine), settings, Wishes(quick=True))
    (told,) = (one for one in found if one.name == "voices")
    assert told.level == level, told
    assert told.found.startswith("1 in ")
    assert ("CSM, which speaks with recordings, does not" in told.found) == (level == "warn")
    assert cure in told.cure


async def test_a_folder_of_voices_that_this_user_may_not_write_is_told(tmp_path: Path) -> None:
    for there, folder in ((True, tmp_path), (False, tmp_path.parent)):
        disk = Disk(10**12, "this user may not write there", there)
        machine = FakeMachine(disks={tmp_path.name: disk})
        found = await examine(machine, {"voices": str(tmp_path)}, Wishes(quick=True))
        told = [one for one in found if one.name == "voices"][-1]
        assert told.level == "warn"
        assert f"{tmp_path} cannot be written" in told.found
        assert f"chown -R $(id -u) {folder}`" in told.cure


async def test_models_that_are_not_here_have_a_cure(tmp_path: Path) -> None:
    settings = {"coqui": {}, "download_dir": str(tmp_path)}
    found = {one.name: one for one in await examine(FakeMachine(), settings)}
    assert found["Coqui"].level == "warn"
    assert "wyoming-csm download coqui" in found["Coqui"].cure
    assert "say coqui" not in found, "it would download the model"


async def test_a_device_that_is_asked_for_and_not_here_fails() -> None:
    machine = FakeMachine(facts=no_cards(cuda=None, signs=frozenset(), library=None))
    found = {one.name: one for one in await examine(machine, {"csm": {"device": "cuda:1"}})}
    assert found["GPU"].level == "fail"


async def test_weights_that_nothing_needs_are_no_fault() -> None:
    machine = FakeMachine(
        facts=facts(cards=(), here=Surroundings(), weights=AWAY), gpu_signs=frozenset()
    )
    found = {one.name: one for one in await examine(machine)}
    assert found["weights"].level == "skip"
    assert "say csm" not in found


@pytest.mark.parametrize(
    ("settings", "level", "words"),
    [
        ({"balancer": {"agent": 10_201}}, "skip", "a replica behind a balancer"),
        ({"discovery": {"address": "192.168.1.10:10300"}}, "ok", "192.168.1.10 port 10300"),
        ({"discovery": {"address": "192.168.1.10:10400"}}, "fail", "of port 10400"),
    ],
)
async def test_of_a_replica_the_balancer_is_announced(
    settings: dict[str, Any], level: str, words: str
) -> None:
    seen = [Seen("balancer", ("192.168.1.10",), 10_300)]
    machine = FakeMachine(answers={PORT: OURS}, network=seen)
    found = {one.name: one for one in await examine(machine, settings, Wishes(quick=True))}
    assert found["discovery"].level == level
    assert words in found["discovery"].found


@pytest.mark.parametrize("uri", ["tcp://127.0.0.1:10200", "tcp://[::1]:10200"])
async def test_what_only_this_machine_reaches_is_not_looked_for(uri: str) -> None:
    machine = FakeMachine(answers={uri: OURS}, multicast=False)
    found = {one.name: one for one in await examine(machine, {"uri": uri}, Wishes(quick=True))}
    assert found["discovery"].level == "skip"
    assert f"only this machine can reach {uri}" in found["discovery"].found
    assert "tcp://0.0.0.0:10200" in found["discovery"].cure


async def test_a_machine_without_a_network_is_no_choice_of_loopback() -> None:
    machine = FakeMachine(lan=(), multicast=False)
    found = {one.name: one for one in await examine(machine, {}, Wishes(quick=True))}
    assert found["discovery"].level == "fail"


async def test_the_gpu_is_left_to_a_server_that_runs() -> None:
    machine = FakeMachine(
        answers={PORT: OURS}, facts=facts(cards=(card((8, 9), free=10**9),)), network=[]
    )
    found = {one.name: one for one in await examine(machine, wishes=Wishes(quick=True))}
    assert found["GPU"].level == "ok"
    assert "a server runs here" in found["GPU"].found


async def test_a_server_that_runs_says_the_sentence_itself() -> None:
    """CSM is not loaded beside it: the GPU may have no room for two. Nobody answers, really."""
    uri = "tcp://127.0.0.1:9"
    found = {one.name: one for one in await examine(FakeMachine(answers={uri: OURS}), {"uri": uri})}
    assert found["say"].level == "fail"
    assert "see the server's log" in found["say"].cure
    assert "say csm" not in found
    assert found["say system"].level == "ok"


@pytest.mark.parametrize(
    ("settings", "level", "said", "cure"),
    [
        ({"voice": "nobody"}, "warn", "there is no voice 'nobody'", "the nearest name is "),
        ({"voice": "Speaker3"}, "warn", "no voice 'Speaker3'", "the nearest name is speaker_3"),
        ({"voice": "speaker_3"}, "ok", "speaker_3", ""),
        ({"voice": "speaker_3", "engines": ["system"]}, "warn", "a voice of csm", "let that"),
        ({"voice": "soft", "presets": {"soft": {"voice": "speaker_1"}}}, "ok", "soft", ""),
    ],
)
async def test_the_default_voice(
    settings: dict[str, Any], level: str, said: str, cure: str
) -> None:
    found = {one.name: one for one in await examine(FakeMachine(), settings, Wishes(quick=True))}
    assert found["voice"].level == level
    assert said in found["voice"].found
    assert cure in found["voice"].cure


async def test_a_folder_that_cannot_be_made_is_no_lack_of_room() -> None:
    machine = FakeMachine(disks={"nope": Disk(0, "/proc takes no folder", there=False)})
    found = await examine(machine, {"data_dir": "/proc/nope"}, Wishes(quick=True))
    told = [one for one in found if one.name == "disk" and "/proc/nope" in one.found]
    assert "/proc/nope cannot be made: /proc takes no folder" in told[0].found
    assert "set data_dir to a folder" in told[0].cure
    assert "room" not in told[0].cure


async def test_the_recogniser_that_is_configured_is_looked_at() -> None:
    machine = FakeMachine(answers={"tcp://asr:9": Answer(True, "whisper", "2", True)})
    settings = {"http": {"asr": "tcp://asr:9"}}
    found = {one.name: one for one in await examine(machine, settings, Wishes(quick=True))}
    assert found["recogniser"].found == "tcp://asr:9: whisper"


async def test_a_recogniser_that_is_no_address_is_not_asked() -> None:
    found = await examine(FakeMachine(), {}, Wishes(quick=True, asr="http://asr"))
    told = next(one for one in found if one.name == "recogniser")
    assert (told.level, told.found) == ("fail", "http://asr is no address of a server")
    assert "tcp://192.168.1.5:10300" in told.cure


async def test_without_a_gpu_nothing_is_asked_of_a_driver() -> None:
    machine = FakeMachine(packages={}, gpu_signs=frozenset({"container"}))
    found = {one.name: one for one in await examine(machine)}
    assert found["PyTorch"].level == "skip"
    assert machine.ran == []


async def test_a_lock_of_another_python_is_not_ours() -> None:
    """numpy and others have two versions in it, for two ranges of Python."""
    for python, level in (((3, 13), "ok"), ((3, 11), "warn")):
        found = await examine(FakeMachine(python=python), wishes=Wishes(quick=True))
        (packages,) = [one for one in found if one.name == "packages"]
        assert packages.level == level, packages
