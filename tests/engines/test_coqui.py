"""Coqui as the server sees it, over its real child process."""

import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.engines.helpers import OneEngine
from tests.server.clients import warnings
from tests.tiny_coqui import make_tiny_coqui
from wyoming_csm.config import Config, CoquiConfig
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.coqui import coqui_engine, probe
from wyoming_csm.errors import EngineError, EngineUnavailable
from wyoming_csm.text.pieces import Speak

XTTS = "tts_models/multilingual/multi-dataset/xtts_v2"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make everything beyond this machine unreachable."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # a closed port
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_voices_are_known_without_loading() -> None:
    models = {"en": "tts_models/en/ljspeech/vits", "de": "tts_models/de/thorsten/vits"}
    voices = coqui_engine(Config(coqui=CoquiConfig(models=models))).voices
    assert [(voice.name, voice.language) for voice in voices] == [
        ("coqui_en", "en"),
        ("coqui_de", "de"),
    ]
    assert voices[1].description == "Coqui, de/thorsten/vits"


def test_a_local_model_replaces_the_named_ones() -> None:
    config = Config(coqui=CoquiConfig(checkpoint="/x/best.pth", checkpoint_language="nl"))
    (voice,) = coqui_engine(config).voices
    assert (voice.name, voice.language) == ("coqui_nl", "nl")


@pytest.mark.parametrize(
    ("module", "package"),
    [("torch", "torch"), ("TTS", "coqui-tts"), ("torchcodec", "torchcodec"), ("six", "six")],
)
def test_a_missing_package_is_named_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    probe()
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(EngineUnavailable, match=f"not installed: {package}") as missing:
        probe()
    assert "pip install '.[coqui]'" in missing.value.cure


async def sound_of(engine: ChildEngine, voice_name: str, text: str) -> bytes:
    voice = next(voice for voice in engine.voices if voice.name == voice_name)
    reply = OneEngine(engine, voice)
    async with aclosing(reply.speak(Speak(text))) as chunks:
        return b"".join([chunk async for chunk in chunks])


@pytest.mark.slow
@pytest.mark.usefixtures("offline")
async def test_what_cannot_be_had_is_left_out_and_the_rest_speaks(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    downloads = tmp_path / "models" / "tts"
    whole = downloads / "tts_models--en--ljspeech--vits"
    make_tiny_coqui(whole)
    cut_off = downloads / "tts_models--de--thorsten--vits"
    cut_off.mkdir()
    (cut_off / "tts_models--de--thorsten--vits.zip").write_bytes(b"PK and no more")
    models = {
        "en": "tts_models/en/ljspeech/vits",
        "de": "tts_models/de/thorsten/vits",
        "fr": "tts_models/fr/css10/vitts",
        "es": XTTS,
    }
    engine = coqui_engine(
        Config(
            coqui=CoquiConfig(models=models),
            data_dir=str(tmp_path),
            download_dir=str(tmp_path / "models"),
        )
    )
    await engine.start()
    try:
        await engine.wait_loaded()
        assert engine.status.phase is Phase.READY
        assert engine.status.detail == "coqui_en on cpu; left out: coqui_de, coqui_fr, coqui_es"
        assert [voice.language for voice in engine.voices] == ["en", "de", "fr", "es"]
        assert len(await sound_of(engine, "coqui_en", "zebra ☃ zebra, and so on")) > 48_000
        assert await sound_of(engine, "coqui_en", "ສະບາຍດີ") == b""  # nobody here speaks it
        for name, why in (
            ("coqui_de", "cannot be downloaded"),
            ("coqui_fr", "did you mean 'tts_models/fr/css10/vits'"),
            ("coqui_es", "coqui.agree_to_licence: true"),
        ):
            with pytest.raises(EngineError, match=why):
                await sound_of(engine, name, "zebra")
    finally:
        await engine.stop()
    log = capfd.readouterr().err
    assert "is removed and downloaded again: tts_models--de--thorsten--vits.zip was not" in log
    assert not cut_off.exists()
    assert "zebra" not in log


@pytest.mark.slow
@pytest.mark.usefixtures("offline")
async def test_nothing_to_be_had_makes_the_engine_absent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The child does not ask whether the licence is accepted: its input is the pipe. The reason is
    said once, by the front."""
    config = Config(coqui=CoquiConfig(models={"en": XTTS}), data_dir=str(tmp_path))
    engine = coqui_engine(config)
    await engine.start()
    try:
        await engine.wait_loaded()
        assert engine.status.phase is Phase.ABSENT
        assert "accept its licence" in engine.status.detail
        assert "coqui.agree_to_licence: true" in engine.status.detail
    finally:
        await engine.stop()
    (said,) = warnings(caplog)
    assert "accept its licence" in said
    assert "licence" not in capfd.readouterr().err
