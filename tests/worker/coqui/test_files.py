"""Coqui's models by name, the folders they are in, and their downloads."""

import os
import pickle
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.worker.coqui import files
from wyoming_csm.worker.coqui.files import check, download, find_fault, flatten, local_files

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


def test_of_several_the_same_is_told_on_all_machines(tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    for name in "hcfadgbe":  # a folder's own order is its disk's
        (tmp_path / f"model/{name}.pth").touch()
    assert find_fault(tmp_path / "model") == "a.pth is cut off"


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
    monkeypatch.setattr(files, "STALL_SECONDS", 0.2)
    url, folder = site
    (folder / "not-a.zip").write_bytes(b"<html>come back later</html>")
    with pytest.raises((OSError, zipfile.BadZipFile), match=why):
        download(f"{url}/{path}", tmp_path / "tts" / "model", lambda _: None)
    assert list((tmp_path / "tts").iterdir()) == []
