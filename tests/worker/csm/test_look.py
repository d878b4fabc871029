"""What is known of the weights before anything is fetched."""

from pathlib import Path

import pytest

from tests.fake_hub import FakeHub, point_at
from tests.worker.csm.test_hub import CONFIG, NAME, fetch
from wyoming_csm.config import CsmConfig
from wyoming_csm.worker.csm.look import look_at_weights


def looked(config: CsmConfig, models: Path) -> tuple[str, str]:
    found = look_at_weights(config, models)
    return found.state, found.cure


def test_looking_fetches_nothing(hub: FakeHub, models: Path) -> None:
    state, cure = looked(CONFIG, models)
    assert state == "fetchable"
    assert "wyoming-csm download csm" in cure
    assert hub.fetched == []
    fetch(models)
    assert looked(CONFIG, models) == ("here", "")


def test_looking_tells_who_is_let_in(hub: FakeHub, models: Path, tmp_path: Path) -> None:
    hub.token = "secret"
    state, cure = looked(CONFIG, models)
    assert state == "refused"
    assert "HF_TOKEN" in cure
    (tmp_path / "token").write_text("secret")
    with_token = CsmConfig(checkpoint=NAME, token_file=str(tmp_path / "token"))
    assert looked(with_token, models)[0] == "fetchable"


@pytest.mark.usefixtures("hub")
def test_looking_tells_what_is_no_name(models: Path) -> None:
    state, cure = looked(CsmConfig(checkpoint="nobody/nothing"), models)
    assert state == "refused"
    assert "csm.checkpoint" in cure


def test_looking_tells_that_nobody_answers(models: Path, endpoint: pytest.MonkeyPatch) -> None:
    point_at(endpoint, "http://127.0.0.1:9")
    state, cure = looked(CONFIG, models)
    assert state == "unreachable"
    assert "check the network" in cure
