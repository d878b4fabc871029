"""Finding the weights: every way it can fail names its cure."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fake_hub import COMMIT, FakeHub, point_at, serving
from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.worker.csm.checkpoints import find_checkpoint

NAME = "somebody/csm"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """As sesame/csm-1b is laid out: the weights three times, one of them for transformers."""
    folder = tmp_path / "repository"
    folder.mkdir()
    index = {"weight_map": {"a": "transformers-1.safetensors", "b": "transformers-2.safetensors"}}
    texts = {
        "config.json": json.dumps(
            {"model_type": "csm", "transformers_weights": "transformers.safetensors.index.json"}
        ),
        "transformers.safetensors.index.json": json.dumps(index),
        "tokenizer.json": "{}",
        "transformers-1.safetensors": "one",
        "transformers-2.safetensors": "two",
        "model.safetensors": "the original layout",
        "ckpt.pt": "pickled",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def checkpoint_folder(config: CsmConfig, models: Path, progress: Callable[[str], None]) -> Path:
    return find_checkpoint(config, models, progress).folder


def test_only_the_files_that_serve_are_fetched_and_once(
    repository: Path, tmp_path: Path, endpoint: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    config = CsmConfig(checkpoint=NAME)
    with serving(FakeHub(NAME, repository)) as hub:
        point_at(endpoint, hub.url)
        folder = checkpoint_folder(config, tmp_path / "models", said.append)
        first = list(hub.fetched)
        again = checkpoint_folder(config, tmp_path / "models", said.append)
    assert folder == again
    assert folder.name == COMMIT
    assert "model.safetensors" not in first
    assert "ckpt.pt" not in first
    assert sorted(p.name for p in folder.iterdir()) == sorted(first)
    assert (folder / "transformers-2.safetensors").read_text() == "two"
    assert hub.fetched == first
    assert len(said) == 1


def test_gated_weights_name_the_page_and_the_token(
    repository: Path, tmp_path: Path, endpoint: pytest.MonkeyPatch
) -> None:
    with serving(FakeHub(NAME, repository, token="secret")) as hub:
        point_at(endpoint, hub.url)
        with pytest.raises(EngineUnavailable) as refused:
            checkpoint_folder(CsmConfig(checkpoint=NAME), tmp_path / "models", print)
        assert f"https://huggingface.co/{NAME}" in refused.value.cure
        assert "HF_TOKEN" in refused.value.cure
        assert "unsloth" not in refused.value.cure, "no copy of another's weights"

        token = tmp_path / "token"
        token.write_text("secret\n")
        config = CsmConfig(checkpoint=NAME, token_file=str(token))
        assert checkpoint_folder(config, tmp_path / "models", print).is_dir()


def test_a_copy_that_is_not_gated_is_named_beside_the_gated_page(
    repository: Path, tmp_path: Path, endpoint: pytest.MonkeyPatch
) -> None:
    with serving(FakeHub("sesame/csm-1b", repository, token="secret")) as hub:
        point_at(endpoint, hub.url)
        with pytest.raises(EngineUnavailable) as refused:
            checkpoint_folder(CsmConfig(), tmp_path / "models", print)
    assert "https://huggingface.co/sesame/csm-1b" in refused.value.cure
    assert "csm.checkpoint to unsloth/csm-1b" in refused.value.cure


def test_the_environments_token_is_used_and_forgotten(
    repository: Path, tmp_path: Path, endpoint: pytest.MonkeyPatch
) -> None:
    import os

    endpoint.setenv("HF_TOKEN", "secret\n")
    with serving(FakeHub(NAME, repository, token="secret")) as hub:
        point_at(endpoint, hub.url)
        checkpoint_folder(CsmConfig(checkpoint=NAME), tmp_path / "models", print)
    assert "HF_TOKEN" not in os.environ


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
def test_what_cannot_be_found_is_said(
    repository: Path, tmp_path: Path, endpoint: pytest.MonkeyPatch, config: CsmConfig, words: str
) -> None:
    with serving(FakeHub(NAME, repository)) as hub:
        point_at(endpoint, hub.url)
        with pytest.raises(EngineUnavailable, match=words.replace("?", r"\?")) as refused:
            checkpoint_folder(config, tmp_path / "models", print)
    assert refused.value.cure


def test_a_connection_that_ends_midway_is_said(
    repository: Path, tmp_path: Path, endpoint: pytest.MonkeyPatch
) -> None:
    endpoint.setattr("time.sleep", lambda _: None)  # the hub's pauses between its attempts
    with serving(FakeHub(NAME, repository, cut="transformers-2.safetensors")) as hub:
        point_at(endpoint, hub.url)
        with pytest.raises(EngineUnavailable, match="could not be fetched") as refused:
            checkpoint_folder(CsmConfig(checkpoint=NAME), tmp_path / "models", print)
    assert "goes on where this stopped" in refused.value.cure


def test_a_download_tells_how_far_it_is(
    repository: Path, tmp_path: Path, endpoint: pytest.MonkeyPatch
) -> None:
    """Without a word for half an hour the child would be taken for hung, and ended."""
    (repository / "transformers-2.safetensors").write_bytes(bytes(3_000_000))
    endpoint.setattr("wyoming_csm.worker.csm.checkpoints.PROGRESS_SECONDS", 0.0)
    said: list[str] = []
    with serving(FakeHub(NAME, repository)) as hub:
        point_at(endpoint, hub.url)
        checkpoint_folder(CsmConfig(checkpoint=NAME), tmp_path / "models", said.append)
    assert f"downloading {NAME}: 3 MB" in said


@pytest.mark.parametrize("token", ["sec\nret", "sec ret", "\u201csecret\u201d", "s\xe9cret"])
def test_a_token_that_cannot_be_one_is_never_shown(
    repository: Path, tmp_path: Path, endpoint: pytest.MonkeyPatch, token: str
) -> None:
    endpoint.setenv("HF_TOKEN", token)
    with serving(FakeHub(NAME, repository)) as hub:
        point_at(endpoint, hub.url)
        with pytest.raises(EngineUnavailable, match="correct HF_TOKEN") as refused:
            checkpoint_folder(CsmConfig(checkpoint=NAME), tmp_path / "models", print)
    assert not hub.fetched
    assert "cret" not in str(refused.value)


def test_offline_mode_is_said_and_what_is_here_serves(
    repository: Path, tmp_path: Path, endpoint: pytest.MonkeyPatch
) -> None:
    config = CsmConfig(checkpoint=NAME)
    with serving(FakeHub(NAME, repository)) as hub:
        point_at(endpoint, hub.url)
        folder = checkpoint_folder(config, tmp_path / "models", print)
        endpoint.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert checkpoint_folder(config, tmp_path / "models", print) == folder
        with pytest.raises(EngineUnavailable, match="HF_HUB_OFFLINE forbids") as refused:
            checkpoint_folder(config, tmp_path / "nothing", print)
    assert "unset it" in refused.value.cure


def test_no_network_is_said(tmp_path: Path, endpoint: pytest.MonkeyPatch) -> None:
    point_at(endpoint, "http://127.0.0.1:9")
    with pytest.raises(EngineUnavailable, match="check the network"):
        checkpoint_folder(CsmConfig(checkpoint=NAME), tmp_path / "models", print)


def test_a_download_that_lacks_weights_is_not_taken_for_whole(
    repository: Path, tmp_path: Path, endpoint: pytest.MonkeyPatch
) -> None:
    config = CsmConfig(checkpoint=NAME)
    with serving(FakeHub(NAME, repository)) as hub:
        point_at(endpoint, hub.url)
        folder = checkpoint_folder(config, tmp_path / "models", print)
        (folder / "transformers-2.safetensors").unlink()
        assert checkpoint_folder(config, tmp_path / "models", print) == folder
    assert (folder / "transformers-2.safetensors").read_text() == "two"


def test_an_index_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    from wyoming_csm.worker.csm.checkpoints import _weight_files

    (tmp_path / "config.json").write_text('{"model_type": "csm"}')
    index = {"weight_map": {"a": "../../etc/passwd"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert _weight_files(tmp_path, NAME) == ["passwd"]
