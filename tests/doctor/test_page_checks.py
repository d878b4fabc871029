"""The HTTP door as doctor sees it: its port, who can open the page, the token, the names."""

from pathlib import Path
from typing import Any

import pytest

from tests.doctor.fake_machine import OURS, FakeMachine
from tests.doctor.faults import PORT
from tests.doctor.test_staged_faults import examine
from wyoming_csm.command_line import configure, parse_words
from wyoming_csm.doctor.command import Wishes
from wyoming_csm.doctor.finding import Finding
from wyoming_csm.doctor.machine import Answer

PAGE = "tcp://127.0.0.1:8002"


@pytest.mark.parametrize(
    ("answers", "level", "said", "cure"),
    [
        ({}, "ok", "0.0.0.0:8002 is free", ""),
        ({PAGE: Answer(False)}, "fail", "taken by nginx", "http: {address: 0.0.0.0:8003}"),
        ({PAGE: Answer(False), PORT: OURS}, "fail", "taken by nginx", "end nginx"),
        ({PAGE: Answer(True, "piper", "1"), PORT: OURS}, "fail", "piper (it speaks", "8003"),
        ({PAGE: Answer(True, "piper", "1")}, "fail", "taken by piper (it speaks", "end piper"),
        ({PORT: OURS}, "fail", "nothing answers at 0.0.0.0:8002", "start the server again"),
    ],
)
async def test_the_pages_port_is_looked_at(
    answers: dict[str, Answer], level: str, said: str, cure: str
) -> None:
    machine = FakeMachine(answers=answers, process="nginx")
    settings = {"http": {"address": "0.0.0.0:8002"}}
    found = {one.name: one for one in await examine(machine, settings, Wishes(quick=True))}
    page = found["page"]
    assert page.level == level
    assert said in page.found
    assert cure in page.cure


@pytest.mark.parametrize(
    ("more", "level", "said"),
    [({PORT: OURS}, "ok", "answers"), ({}, "fail", "another wyoming-csm")],
)
async def test_our_page_is_known(more: dict[str, Answer], level: str, said: str) -> None:
    pages = frozenset({PAGE.removeprefix("tcp://")})
    machine = FakeMachine(answers={PAGE: Answer(False), **more}, pages=pages, process="python")
    settings = {"http": {"address": "0.0.0.0:8002"}}
    found = {one.name: one for one in await examine(machine, settings, Wishes(quick=True))}
    assert found["page"].level == level
    assert said in found["page"].found


async def findings(http: dict[str, Any], more: Any = None, **machine: Any) -> dict[str, Finding]:
    """By their names, of a door at all addresses."""
    settings = {"http": {"address": "0.0.0.0:8002"} | http, **(more or {})}
    found = await examine(FakeMachine(**machine), settings, Wishes(quick=True))
    return {one.name: one for one in found}


@pytest.mark.parametrize(
    ("http", "networks", "level", "said", "cure"),
    [
        ({}, None, "ok", "none: http://192.168.1.5:8002/ is open to private networks", ""),
        ({}, ["local", "10.1.0.0/16"], "ok", "open to private networks", ""),
        ({}, ["local", "0.0.0.0/0"], "warn", "is open to 0.0.0.0/0", "http: {token_file: FILE}"),
        ({}, ["2001:db8::/32"], "warn", "is open to 2001:db8::/32", "limits.networks"),
        ({}, ["192.0.0.0/8"], "warn", "is open to 192.0.0.0/8", "limits.networks"),
        ({"token_file": "word"}, ["0.0.0.0/0"], "ok", "http://192.168.1.5:8002/ asks for it", ""),
        ({"token_file": "gone"}, None, "fail", "gone cannot be read", "a file with one line"),
        ({"token_file": "empty"}, None, "fail", "one line of letters", "a file with one line"),
        ({"address": "127.0.0.1:8002"}, ["0.0.0.0/0"], "ok", "only this machine", ""),
    ],
)
async def test_who_may_open_the_page(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    http: dict[str, Any],
    networks: list[str] | None,
    level: str,
    said: str,
    cure: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "word").write_text("secret\n")
    (tmp_path / "empty").touch()
    token = (await findings(http, {"limits": {"networks": networks}}))["token"]
    assert token.level == level
    assert said in token.found
    assert cure in token.cure
    assert bool(cure) == bool(token.cure)
    assert "secret" not in token.found


async def test_without_a_network_nobody_reaches_the_page() -> None:
    found = await findings({}, lan=())
    assert found["token"].found == "no network reaches this machine now"


async def test_an_address_of_ipv6_is_written_as_browsers_take_it() -> None:
    found = await findings({"address": "[::]:8002"}, lan=("fd00::5",))
    assert "http://[fd00::5]:8002/" in found["token"].found


@pytest.mark.parametrize(
    ("hosts", "level", "said", "cure"),
    [
        ([], "ok", "opens by its addresses, NAME.local, ", ""),
        (["speech.example.com"], "ok", "speech.example.com", ""),
        (["http://speech.lan"], "warn", "'http://speech.lan' is more", "write only speech.lan"),
        (["a.lan", "b.lan:8002"], "warn", "'b.lan:8002' is more than a name", "only b.lan"),
        (["b.lan/page"], "warn", "no browser is let in by it", "only b.lan"),
    ],
)
async def test_the_names_of_the_page(hosts: list[str], level: str, said: str, cure: str) -> None:
    names = (await findings({"hosts": hosts}))["names"]
    assert names.level == level
    assert said in names.found
    assert cure in names.cure


async def test_where_only_this_machine_opens_it_names_do_not_matter() -> None:
    assert "names" not in await findings({"address": "127.0.0.1:8002"})


def test_the_command_takes_the_addresses_that_serve_takes(tmp_path: Path) -> None:
    words = ["doctor", "--http", "0.0.0.0:8003", "--uri", "tcp://0.0.0.0:10201"]
    (tmp_path / "empty.yaml").touch()
    config = configure(parse_words([*words, "--config", str(tmp_path / "empty.yaml")]))
    assert (config.http.address, config.uri) == ("0.0.0.0:8003", "tcp://0.0.0.0:10201")


async def test_without_http_nothing_is_said_of_it() -> None:
    assert not {"page", "token", "names"} & (await findings({"address": None})).keys()
