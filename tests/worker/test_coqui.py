"""Coqui's child process, and what it stands on: files, downloads, what is missing, the sound."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.tiny_coqui import make_tiny_coqui
from wyoming_csm.audio import SAMPLE_RATE, from_pcm
from wyoming_csm.config import CoquiConfig
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.voices import Voice
from wyoming_csm.worker import coqui_files
from wyoming_csm.worker.coqui import to_24k
from wyoming_csm.worker.coqui_files import check, download, find_fault, flatten, local_files
from wyoming_csm.worker.coqui_pieces import PIECE_FRAMES, spans
from wyoming_csm.worker.coqui_setup import provide_espeak
from wyoming_csm.worker.coqui_voices import matching
from wyoming_csm.worker.protocol import (
    PREFIX_BYTES,
    Audio,
    Configure,
    Done,
    Failed,
    FromChild,
    Ready,
    Say,
    Unavailable,
    body_length,
    decode_from_child,
    encode,
)

ROOT = Path(__file__).parents[2]
SENTENCE = "The kitchen light is on, the front door is locked, and it is warm outside."
BROKEN_TORCHAUDIO = 'raise OSError("Could not load this library: _torchaudio.so")\n'

LIST = flatten(
    {
        "tts_models": {
            "en": {"ljspeech": {"vits": {"license": "apache 2.0"}, "fast_pitch": {}}},
            "multilingual": {"multi": {"xtts_v2": {"license": "CPML", "tos_required": True}}},
            "any": {"any": {"bark": {}}},
        },
        "vocoder_models": {"en": {"ljspeech": {"hifigan_v2": {}}}},
    }
)


# -- models by name


def test_a_model_of_the_list_may_be_used() -> None:
    assert check("tts_models/en/ljspeech/vits", LIST, agreed=False)["license"] == "apache 2.0"
    check("tts_models/multilingual/multi/xtts_v2", LIST, agreed=True)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tts_models/en/ljspeach/vits", "did you mean 'tts_models/en/ljspeech/vits'"),
        ("vits", "did you mean 'tts_models/"),
        ("vocoder_models/en/ljspeech/hifigan_v2", "has no model 'vocoder_models/"),
        ("tts_models/multilingual/multi/xtts_v2", "coqui.agree_to_licence: true"),
        ("tts_models/any/any/bark", "code"),
    ],
)
def test_a_model_that_may_not_be_used_says_why(name: str, told: str) -> None:
    with pytest.raises(EngineUnavailable, match=told):
        check(name, LIST, agreed=False)


def test_a_local_model_needs_both_files(tmp_path: Path) -> None:
    model = tmp_path / "best.pth"
    with pytest.raises(EngineUnavailable, match=r"correct coqui\.checkpoint$"):
        local_files(str(model), None)
    model.write_bytes(b"x")
    with pytest.raises(EngineUnavailable, match=r"correct coqui\.checkpoint_config$"):
        local_files(str(model), None)
    elsewhere = tmp_path / "other.json"
    elsewhere.write_text("{}")
    assert local_files(str(model), str(elsewhere)).config == elsewhere


@pytest.mark.parametrize(
    ("code", "own"),
    [
        ("en", "en"),
        ("pt_BR", "pt-br"),
        ("pt-PT", "pt-br"),
        ("zh", "zh-cn"),
        ("EN-gb", "en"),
        ("xx", None),
    ],
)
def test_a_language_is_found_under_a_models_own_name(code: str, own: str | None) -> None:
    assert matching(code, ["de", "en", "pt-br", "zh-cn"]) == own


# -- folders that a download left


def write_model(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    with zipfile.ZipFile(folder / "model_file.pth", "w") as checkpoint:  # as torch.save writes
        checkpoint.writestr("archive/data.pkl", bytes(1000))


def test_a_whole_folder_has_no_fault(tmp_path: Path) -> None:
    write_model(tmp_path / "new")
    assert find_fault(tmp_path / "new") == ""
    write_model(tmp_path / "old")
    (tmp_path / "old" / "model_file.pth").write_bytes(pickle.dumps({"model": {}}))
    assert find_fault(tmp_path / "old") == ""


@pytest.mark.parametrize(
    ("cut", "fault"),
    [
        (lambda f: (f / "tts_models--en.zip").write_bytes(b"PK"), "not unpacked to its end"),
        (lambda f: (f / "config.json").unlink(), "config.json is missing"),
        (lambda f: (f / "model_file.pth").unlink(), "the model's file is missing"),
        (lambda f: os.truncate(f / "model_file.pth", 500), "model_file.pth is cut off"),
        (lambda f: os.truncate(f / "model_file.pth", 0), "model_file.pth is cut off"),
    ],
)
def test_a_folder_that_was_cut_off_is_recognised(tmp_path: Path, cut: object, fault: str) -> None:
    write_model(tmp_path / "model")
    assert callable(cut)
    cut(tmp_path / "model")
    assert fault in find_fault(tmp_path / "model")


# -- downloads


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server's address and the folder it serves; `/stalls` begins and never goes on."""
    folder = tmp_path / "site"
    folder.mkdir()
    over = threading.Event()

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path in ("/stalls", "/ends"):
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(bytes(10))
                if self.path == "/stalls":
                    over.wait(5)
                return
            super().do_GET()

        log_message = BaseHTTPRequestHandler.log_message

        def log_request(self, code: object = "-", size: object = "-") -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", folder
        over.set()
        server.shutdown()
        thread.join()


def test_a_download_appears_when_it_is_whole(
    site: tuple[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url, folder = site
    with zipfile.ZipFile(folder / "model.zip", "w") as archive:
        archive.writestr("tts_models--en/model_file.pth", b"weights")
        archive.writestr("tts_models--en/config.json", b"{}")
        archive.writestr("../../outside.txt", b"!")
    target = tmp_path / "deep" / "tts" / "model"
    left_over = target.with_name("model.part") / "config.json"
    left_over.parent.mkdir(parents=True)
    left_over.touch()
    told: list[str] = []
    download(f"{url}/model.zip", target, told.append)
    names = {path.name for path in target.iterdir()}
    assert names == {"model_file.pth", "config.json", "outside.txt"}  # flat, and nothing outside
    assert (target / "model_file.pth").read_bytes() == b"weights"
    assert sorted(path.name for path in target.parent.iterdir()) == ["model"]
    assert "cut off: it starts anew" in caplog.text
    assert told[0].startswith("downloaded ")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("stalls", "timed out"),
        ("ends", "IncompleteRead"),
        ("missing.zip", "404"),
        ("not-a.zip", "not a zip file"),
    ],
)
def test_a_download_that_fails_leaves_nothing(
    site: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, why: str
) -> None:
    monkeypatch.setattr(coqui_files, "STALL_SECONDS", 0.2)
    url, folder = site
    (folder / "not-a.zip").write_bytes(b"<html>come back later</html>")
    with pytest.raises((OSError, zipfile.BadZipFile), match=why):
        download(f"{url}/{path}", tmp_path / "tts" / "model", lambda _: None)
    assert list((tmp_path / "tts").iterdir()) == []


# -- what the machine may lack


def test_espeak_is_provided_only_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare, bin_ = tmp_path / "bare", tmp_path / "bin"
    bare.mkdir()
    monkeypatch.setenv("PATH", str(bare))
    provide_espeak(bin_)
    assert shutil.which("espeak-ng") == str(bin_ / "espeak-ng")
    (bare / "espeak-ng").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(bare))
    provide_espeak(bin_)
    assert os.environ["PATH"] == str(bare)


@pytest.mark.parametrize("broken", [True, False])
def test_without_torchaudio_only_its_use_fails(tmp_path: Path, broken: bool) -> None:
    """In a process of its own: torchaudio made for another torch, or none at all."""
    if broken:
        (tmp_path / "torchaudio").mkdir()
        (tmp_path / "torchaudio" / "__init__.py").write_text(BROKEN_TORCHAUDIO)
    else:
        (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['torchaudio'] = None\n")
    script = """
import importlib.util
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.worker.coqui_setup import provide_torchaudio
provide_torchaudio()
import torchaudio
assert importlib.util.find_spec("torchaudio") is not None
assert not hasattr(torchaudio, "__path__")
try:
    torchaudio.functional.resample
except EngineUnavailable as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "needs torchaudio" in done.stdout
    assert "pip install torchaudio" in done.stdout
    assert (
        "Could not load this library" in done.stderr
    ) is broken  # only what is wrong is a warning


# -- the sound


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
def test_pieces_become_24_khz_without_a_seam(rate: int) -> None:
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate).astype(np.float32)
    whole = from_pcm(b"".join(to_24k([wave], rate)))
    pieces = from_pcm(b"".join(to_24k(np.array_split(wave, 7), rate)))
    np.testing.assert_array_equal(pieces, whole)
    assert len(whole) == 2 * SAMPLE_RATE
    ideal = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE)
    middle = slice(2_400, -2_400)
    np.testing.assert_allclose(whole[middle], ideal[middle], atol=2e-3)


@pytest.mark.parametrize("frames", [1, PIECE_FRAMES, 3 * PIECE_FRAMES // 2, 559])
def test_spans_cover_all_frames_once(frames: int) -> None:
    found = list(spans(frames))
    assert [n for start, end in found for n in range(start, end)] == list(range(frames))
    assert all(end - start >= PIECE_FRAMES // 2 or len(found) == 1 for start, end in found)


PIECES_SCRIPT = """
import json, sys
from pathlib import Path
from wyoming_csm.worker.coqui_setup import prepare
model_file = Path(sys.argv[1])
here = model_file.parent
prepare(data_dir=here, download_dir=here, agreed=False, debug=False)
import numpy as np, torch
from TTS.utils.synthesizer import Synthesizer
from wyoming_csm.worker import coqui_pieces
torch.set_num_threads(1)
model = Synthesizer(tts_checkpoint=model_file, tts_config_path=here / "config.json").tts_model
speak = lambda: model.synthesize(text=sys.argv[2], speaker="bob")
torch.manual_seed(0)
whole = speak()["wav"]
reach = coqui_pieces.reach(model.args)
found = {"reach": reach, "rms": float(np.sqrt(np.mean(whole ** 2)))}
for name, frames in (("full", reach), ("short", reach - 8)):
    coqui_pieces.reach = lambda args: frames
    torch.manual_seed(0)
    pieces = list(coqui_pieces.in_pieces(model, speak))
    found[name] = float(np.abs(np.concatenate(pieces) - whole).max())
print(json.dumps({**found, "pieces": len(pieces)}))
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a model with two speakers that reads phonemes."""
    return make_tiny_coqui(tmp_path_factory.mktemp("coqui"), speakers=("ann", "bob"), phonemes=True)


@pytest.mark.slow
def test_pieces_of_vits_are_the_whole(checkpoint: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PIECES_SCRIPT, str(checkpoint), SENTENCE],
        stdout=subprocess.PIPE,
        check=True,
        cwd=ROOT,
    )
    found = json.loads(done.stdout)
    assert found["pieces"] >= 4
    assert found["full"] < 1e-5 * found["rms"]
    assert found["short"] > 1e-5 * found["rms"]  # so the margin is needed, and is seen to be


# -- the child process


class CoquiChild:
    """A child that was told to be Coqui."""

    def __init__(self, folder: Path, settings: CoquiConfig, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "wyoming_csm.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        builtins = msgspec.to_builtins(settings)
        self._send(Configure("coqui", builtins, str(folder), str(folder / "models")))
        self.started = self._until(Ready, Unavailable)

    def _send(self, message: Configure | Say) -> None:
        assert self.process.stdin
        self.process.stdin.write(encode(message))
        self.process.stdin.flush()

    def _until(self, *kinds: type[FromChild]) -> FromChild:
        while not isinstance(message := self._receive(), kinds):
            pass
        return message

    def _receive(self) -> FromChild:
        assert self.process.stdout
        prefix = self.process.stdout.read(PREFIX_BYTES)
        return decode_from_child(self.process.stdout.read(body_length(prefix)))

    def say(self, text: str, voice: Voice) -> bytes:
        self._send(Say(1, 1, text, voice))
        sound = b""
        while not isinstance(message := self._receive(), Done):
            assert not isinstance(message, Failed), message.reason
            if isinstance(message, Audio):
                sound += message.pcm
        return sound

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        assert self.process.wait(10) == 0
        self.process.stdout.close()


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Iterator[CoquiChild]:
    """On a machine without an espeak-ng command, with a torchaudio for another torch."""
    folder = tmp_path_factory.mktemp("child")
    (folder / "torchaudio").mkdir()
    (folder / "torchaudio" / "__init__.py").write_text(BROKEN_TORCHAUDIO)
    (folder / "bare").mkdir()
    child = CoquiChild(
        folder,
        CoquiConfig(checkpoint=str(checkpoint), checkpoint_language="en"),
        PATH=str(folder / "bare"),
        PYTHONPATH=str(folder),
    )
    yield child
    child.close()


def voice_of(child: CoquiChild, speaker: str = "") -> Voice:
    assert isinstance(child.started, Ready), child.started
    return msgspec.structs.replace(child.started.voices[0], speaker=speaker)


@pytest.mark.slow
def test_a_child_speaks_a_local_model(child: CoquiChild) -> None:
    assert isinstance(child.started, Ready), child.started
    assert child.started.detail == "coqui_en on cpu"
    (voice,) = child.started.voices
    assert (voice.name, voice.language, voice.speakers) == ("coqui_en", "en", ("ann", "bob"))
    sound = from_pcm(child.say(SENTENCE, voice))
    assert len(sound) > SAMPLE_RATE
    assert np.sqrt(np.mean(sound**2)) > 1e-4


@pytest.mark.slow
def test_the_asked_speaker_speaks(child: CoquiChild) -> None:
    """Sounds differ by chance as well; the length of this model's do not, but by speaker."""
    lengths = {
        who: {len(child.say(SENTENCE, voice_of(child, who))) for _ in range(2)}
        for who in ("", "nobody", "ann", "bob")
    }
    assert lengths["ann"] == lengths[""] == lengths["nobody"]
    assert lengths["ann"].isdisjoint(lengths["bob"])


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "   ", "🎉🎉", "...", "—!?", "\u200b"])
def test_what_cannot_be_spoken_is_no_sound_and_no_error(child: CoquiChild, text: str) -> None:
    assert child.say(text, voice_of(child)) == b""
