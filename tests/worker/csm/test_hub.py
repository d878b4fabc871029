"""Finding the weights: every way it can fail names its cure."""

import fcntl
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fake_hub import COMMIT, FakeHub, point_at
from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.worker.csm.checkpoints import find_checkpoint

NAME = "somebody/csm"
CONFIG = CsmConfig(checkpoint=NAME)


def fetch(
    models: Path, config: CsmConfig = CONFIG, progress: Callable[[str], None] = print
) -> Path:
    return find_checkpoint(config, models, progress).folder


def test_only_the_files_that_serve_are_fetched_and_once(hub: FakeHub, models: Path) -> None:
    said: list[str] = []
    folder = fetch(models, progress=said.append)
    first = list(hub.fetched)
    assert fetch(models, progress=said.append) == folder
    assert folder.name == COMMIT
    assert "model.safetensors" not in first
    assert "ckpt.pt" not in first
    assert sorted(p.name for p in folder.iterdir()) == sorted(first)
    assert (folder / "transformers-2.safetensors").read_text() == "two"
    assert hub.fetched == first
    assert len(said) == 1


def test_gated_weights_name_the_page_and_the_token(
    hub: FakeHub, models: Path, tmp_path: Path
) -> None:
    hub.token = "secret"
    with pytest.raises(EngineUnavailable) as refused:
        fetch(models)
    assert f"https://huggingface.co/{NAME}" in refused.value.cure
    assert "HF_TOKEN" in refused.value.cure
    assert "unsloth" not in refused.value.cure, "no copy of another's weights"
    token = tmp_path / "token"
    token.write_text("secret\n")
    assert fetch(models, CsmConfig(checkpoint=NAME, token_file=str(token))).is_dir()


def test_a_copy_that_is_not_gated_is_named_beside_the_gated_page(
    hub: FakeHub, models: Path
) -> None:
    hub.repository, hub.token = "sesame/csm-1b", "secret"
    with pytest.raises(EngineUnavailable) as refused:
        fetch(models, CsmConfig())
    assert "https://huggingface.co/sesame/csm-1b" in refused.value.cure
    assert "csm.checkpoint to unsloth/csm-1b" in refused.value.cure


def test_the_environments_token_is_used_and_forgotten(
    hub: FakeHub, models: Path, endpoint: pytest.MonkeyPatch
) -> None:
    endpoint.setenv("HF_TOKEN", "secret\n")
    hub.token = "secret"
    fetch(models)
    assert "HF_TOKEN" not in os.environ


def test_a_file_that_the_environment_names_holds_the_token(
    hub: FakeHub, models: Path, endpoint: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub.token = "secret"
    (tmp_path / "token").write_text("secret\n")
    endpoint.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(EngineUnavailable) as refused:
        fetch(models)
    assert refused.value.cure == "correct HF_TOKEN_PATH"
    endpoint.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    fetch(models)
    assert "HF_TOKEN_PATH" not in os.environ, "the hub's library would look there, too"


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("config", "words"),
    [
        (CsmConfig(checkpoint="nobody/nothing"), "knows no nobody/nothing"),
        (CsmConfig(checkpoint=NAME, revision="v9"), "no revision 'v9'"),
        (CsmConfig(checkpoint="/no/such/folder"), "there is no folder"),
        (CsmConfig(checkpoint="csm"), "there is no folder"),
        (CsmConfig(checkpoint="a/b?c"), "no name the hub could have"),
        (CsmConfig(checkpoint=NAME, token_file="/no/token"), "token's file cannot be read"),
    ],
)
def test_what_cannot_be_found_is_said(models: Path, config: CsmConfig, words: str) -> None:
    with pytest.raises(EngineUnavailable, match=words) as refused:
        fetch(models, config)
    assert refused.value.cure


def test_a_connection_that_ends_midway_is_said(
    hub: FakeHub, models: Path, endpoint: pytest.MonkeyPatch
) -> None:
    endpoint.setattr("time.sleep", lambda _: None)  # the hub's pauses between its attempts
    hub.cut = "transformers-2.safetensors"
    with pytest.raises(EngineUnavailable, match="could not be fetched") as refused:
        fetch(models)
    assert "goes on where this stopped" in refused.value.cure


def test_a_download_tells_how_far_it_is(
    hub: FakeHub, models: Path, endpoint: pytest.MonkeyPatch
) -> None:
    """Without a word for half an hour the child would be taken for hung, and ended."""
    hub.files["transformers-2.safetensors"] = bytes(3_000_000)
    endpoint.setattr("wyoming_csm.worker.csm.hub.PROGRESS_SECONDS", 0.0)
    said: list[str] = []
    fetch(models, progress=said.append)
    assert f"downloading {NAME}: 3 MB" in said


@pytest.mark.parametrize("token", ["sec\nret", "sec ret", "\u201csecret\u201d", "s\xe9cret"])
def test_a_token_that_cannot_be_one_is_never_shown(
    hub: FakeHub, models: Path, endpoint: pytest.MonkeyPatch, token: str
) -> None:
    endpoint.setenv("HF_TOKEN", token)
    with pytest.raises(EngineUnavailable, match="correct HF_TOKEN") as refused:
        fetch(models)
    assert not hub.fetched
    assert "cret" not in str(refused.value)


def test_the_token_is_in_no_line_of_the_log(
    hub: FakeHub,
    models: Path,
    endpoint: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Of no library either, when it is refused and when it is taken; the log has all there is."""
    caplog.set_level(logging.DEBUG)
    for hub.token in ("another", "hf_never_shown"):
        endpoint.setenv("HF_TOKEN", "hf_never_shown")
        try:
            fetch(models)
        except EngineUnavailable:
            logging.getLogger().exception("refused")
    assert "refused" in caplog.text
    assert hub.fetched
    assert hub.url in caplog.text, "the libraries' lines are there"
    assert "never_shown" not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.usefixtures("hub")
def test_offline_mode_is_said_and_what_is_here_serves(
    models: Path, tmp_path: Path, endpoint: pytest.MonkeyPatch
) -> None:
    folder = fetch(models)
    endpoint.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert fetch(models) == folder
    with pytest.raises(EngineUnavailable, match="HF_HUB_OFFLINE forbids") as refused:
        fetch(tmp_path / "nothing")
    assert "unset it" in refused.value.cure


def test_no_network_is_said(models: Path, endpoint: pytest.MonkeyPatch) -> None:
    point_at(endpoint, "http://127.0.0.1:9")
    with pytest.raises(EngineUnavailable, match="check the network"):
        fetch(models)


@pytest.mark.usefixtures("hub")
def test_a_download_that_lacks_weights_is_not_taken_for_whole(models: Path) -> None:
    folder = fetch(models)
    (folder / "transformers-2.safetensors").unlink()
    assert fetch(models) == folder
    assert (folder / "transformers-2.safetensors").read_text() == "two"


def test_an_index_cannot_name_files_elsewhere(hub: FakeHub, models: Path) -> None:
    index = {"weight_map": {"a": "../../elsewhere/transformers-1.safetensors"}}
    hub.files["transformers.safetensors.index.json"] = json.dumps(index).encode()
    assert (fetch(models) / "transformers-1.safetensors").read_text() == "one"


# -- large files go on where they were cut off

LARGE = "transformers-2.safetensors"


@pytest.fixture
def large(hub: FakeHub) -> bytes:
    """The second file of the weights, 12 MB of it."""
    hub.files[LARGE] = bytes(range(256)) * 48_000
    return hub.files[LARGE]


@pytest.fixture
def cut(hub: FakeHub, large: bytes, models: Path, endpoint: pytest.MonkeyPatch) -> FakeHub:
    """A hub from which half of it came."""
    endpoint.setattr("time.sleep", lambda _: None)
    hub.cut = LARGE
    with pytest.raises(EngineUnavailable, match="could not be fetched"):
        fetch(models)
    hub.cut = ""
    return hub


def test_the_next_try_goes_on_at_the_byte(cut: FakeHub, large: bytes, models: Path) -> None:
    assert cut.sent[LARGE] < len(large)
    folder = fetch(models)
    assert (folder / LARGE).read_bytes() == large
    assert cut.sent[LARGE] == len(large), "nothing came twice"
    assert not list(models.rglob("*.part"))


def test_a_hub_that_does_not_go_on_begins_anew(cut: FakeHub, large: bytes, models: Path) -> None:
    cut.goes_on = False
    folder = fetch(models)
    assert (folder / LARGE).read_bytes() == large


def test_what_is_not_the_hubs_file_is_not_used(cut: FakeHub, large: bytes, models: Path) -> None:
    """Another half lies there."""
    (part,) = models.rglob("*.part")
    part.write_bytes(b"x" * part.stat().st_size)
    with pytest.raises(EngineUnavailable, match="not the file that the hub names"):
        fetch(models)
    assert (fetch(models) / LARGE).read_bytes() == large


def test_two_at_once_do_not_write_one_file(cut: FakeHub, models: Path) -> None:
    (part,) = models.rglob("*.part")
    with part.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(EngineUnavailable, match="another process is fetching it"):
            fetch(models)
    assert fetch(models).is_dir()


def test_room_is_looked_at_before(
    hub: FakeHub, large: bytes, models: Path, endpoint: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(free=100_000_000)
    endpoint.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(EngineUnavailable, match=r"need 0\.2 GB .* 0\.1 GB are free") as refused:
        fetch(models)
    assert "download_dir" in refused.value.cure
    assert LARGE not in hub.fetched
