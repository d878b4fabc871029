"""Hibari's further voices: fetched from a hub when asked for, spoken by once they are here."""

import base64
import errno
import hashlib
import json
import shutil
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.fake_hub import FakeHub, serving
from wyoming_csm.audio import from_pcm
from wyoming_csm.config import Config
from wyoming_csm.engines.system import system_engine
from wyoming_csm.errors import EngineError, VoiceError
from wyoming_csm.voices_command import fetch_voices
from wyoming_csm.worker.system.further_voices import FURTHER, Fetched, Further, fetch, fetched
from wyoming_csm.worker.system.hibari import Hibari

needs_hibari = pytest.mark.skipif(
    find_spec("hibari") is None or find_spec("onnxruntime") is None,
    reason="hibari is not installed: it has no wheel for every machine",
)
EMMA, FABLE, FENRIR, _ = FURTHER
CONTENT = bytes(range(256)) * 2_000


def of(content: bytes) -> Further:
    """Return Emma, were this her file."""
    digest = hashlib.sha256(content).hexdigest()
    return Further(EMMA.name, EMMA.tag, EMMA.title, EMMA.file, len(content), digest)


def assets() -> Path:
    spec = find_spec("hibari")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "assets"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / EMMA.file).write_bytes(CONTENT)
    with serving(FakeHub("maureesewilliams/hibari", tmp_path / "hub")) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def test_a_voice_is_fetched_whole(hub: FakeHub, tmp_path: Path) -> None:
    told: list[str] = []
    fetch(of(CONTENT), tmp_path, told.append)
    assert EMMA.path(tmp_path).read_bytes() == CONTENT
    assert fetched(tmp_path) == {"emma"}
    assert hub.fetched == [EMMA.file]
    assert told[0].endswith(f"{hub.url}/maureesewilliams/hibari/resolve/main/voices/{EMMA.file}")


@pytest.mark.parametrize("fault", ["hangs", "fails"])
def test_a_disk_that_is_not_well_takes_none_away_and_holds_up_nobody(
    tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of models may be on what replicas share: each sentence asks for it."""
    EMMA.path(tmp_path).parent.mkdir()
    EMMA.path(tmp_path).touch()
    here, back = Fetched(tmp_path), threading.Event()
    assert here.names == {"emma"}

    def is_file(path: Path) -> bool:
        if fault == "fails":
            raise OSError(errno.EIO, "Input/output error")
        return back.wait(60.0)

    monkeypatch.setattr(Path, "is_file", is_file)
    try:
        began = time.monotonic()
        assert [here.look() for _ in range(20)] == [{"emma"}] * 20
        assert time.monotonic() - began < 15  # one of them waits, if at all
    finally:
        back.set()


@pytest.mark.parametrize("is_there", [True, False])
def test_a_mirrors_password_is_sent_to_it_and_shown_to_nobody(
    hub: FakeHub, tmp_path: Path, is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    hub.token = f"Basic {base64.b64encode(b'me:geheim@').decode()}"
    monkeypatch.setenv("HF_ENDPOINT", hub.url.replace("://", "://me:geheim%40@"))
    if not is_there:
        hub.files.clear()
    try:
        fetch(of(CONTENT), tmp_path, told.append)
    except VoiceError as error:
        told.append(str(error))
    assert (hub.fetched == [EMMA.file]) is is_there
    assert len(told) == 2 - is_there
    assert "geheim" not in "".join(told)


@pytest.mark.parametrize("expected", [CONTENT[:-1], CONTENT + b"x", CONTENT[:-1] + b"x"])
def test_another_file_is_refused(hub: FakeHub, tmp_path: Path, expected: bytes) -> None:
    with pytest.raises(VoiceError, match="not the voice that was released"):
        fetch(of(expected), tmp_path, print)
    assert list(EMMA.path(tmp_path).parent.iterdir()) == []


@pytest.mark.parametrize("fault", ["cut", "absent", "no hub"])
def test_what_cannot_be_fetched_leaves_nothing_and_names_the_cure(
    hub: FakeHub, tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "cut":
        hub.cut = EMMA.file
    elif fault == "absent":
        del hub.files[EMMA.file]
    else:
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(VoiceError, match=r"not the voice|copy the file to"):
        fetch(of(CONTENT), tmp_path, print)
    assert list(EMMA.path(tmp_path).parent.iterdir()) == []


def test_the_command_fetches_what_is_not_here(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Config(download_dir=str(tmp_path))
    with pytest.raises(VoiceError, match="'ema' to fetch: emma, fable, fenrir, kore"):
        fetch_voices(config, ["ema"])
    for voice in FURTHER:
        voice.path(tmp_path).parent.mkdir(exist_ok=True)
        voice.path(tmp_path).touch()
    fetch_voices(config, [])
    assert capsys.readouterr().out.splitlines() == [f"{one.name} is here" for one in FURTHER]
    EMMA.path(tmp_path).unlink()
    with pytest.raises(VoiceError, match="not the voice that was released"):
        fetch_voices(config, [])
    assert hub.fetched == [EMMA.file]


@needs_hibari
async def test_they_are_listed_once_they_are_here(tmp_path: Path) -> None:
    """Without a restart; British English becomes Emma's, and the default stays."""
    engine = system_engine(Config(download_dir=str(tmp_path)))
    told: list[str] = []
    engine.subscribe(lambda: told.append("changed"))
    await engine.look_at_voices()
    assert told == []
    before = {voice.name: voice.description for voice in engine.voices}
    assert before["system_en-GB"] == "English (UK), SVOX Pico"
    for voice in (EMMA, FENRIR):
        voice.path(tmp_path).parent.mkdir(exist_ok=True)
        voice.path(tmp_path).touch()
    await engine.look_at_voices()
    assert told == ["changed"]
    after = {voice.name: voice.description for voice in engine.voices}
    assert after == before | {
        "system_en-GB": "Emma, English (UK), Hibari",
        "system_fenrir_en-US": "Fenrir, English (US), Hibari",
    }
    assert engine.voices[0].name == "system_en-US"


@needs_hibari
def test_they_speak_with_the_dictionaries_of_their_country(tmp_path: Path) -> None:
    """The network of the wheel stands for theirs, which are of the same make."""
    for voice in (EMMA, FABLE, FENRIR):
        voice.path(tmp_path).parent.mkdir(exist_ok=True)
        shutil.copy(assets() / "hibari.onnx", voice.path(tmp_path))
    hibari = Hibari(tmp_path)
    said = {
        name: from_pcm(b"".join(hibari.say("The tomato bath is in the garage.", name)))
        for name in ("en-US", "fenrir", "emma", "fable")
    }
    assert np.array_equal(said["fenrir"], said["en-US"])
    assert np.array_equal(said["fable"], said["emma"])
    assert not np.array_equal(said["emma"], said["en-US"])


@needs_hibari
def test_a_damaged_one_is_an_engines_error(tmp_path: Path) -> None:
    EMMA.path(tmp_path).parent.mkdir()
    EMMA.path(tmp_path).write_bytes(b"no network")
    with pytest.raises(EngineError, match="hibari failed"):
        list(Hibari(tmp_path).say("Hello.", "emma"))


@needs_hibari
def test_files_are_those_of_the_wheels_registry() -> None:
    registry = json.loads((assets() / "voices.json").read_text(encoding="utf-8"))
    own = {
        one.name: {"language": one.tag, "file": one.file, "bytes": one.size, "sha256": one.sha256}
        for one in FURTHER
    }
    assert own == {
        name: {key: about[key] for key in ("language", "file", "bytes", "sha256")}
        for name, about in registry.items()
        if not about["bundled"]
    }
