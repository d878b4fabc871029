"""The settings of the HTTP door: off by itself, on by a word, and what is refused."""

import socket
from typing import Any

import pytest

from tests.fakes import FakeEngine
from tests.server.http.doors import doors
from wyoming_csm.command_line import configure, parse_words
from wyoming_csm.config import Config, HttpConfig, parse
from wyoming_csm.errors import ConfigError


def test_it_is_off_unless_asked_for() -> None:
    assert Config().http.address is None
    assert configure(parse_words([])).http.address is None
    assert configure(parse_words(["--http", "0.0.0.0:8002"])).http.address == "0.0.0.0:8002"


@pytest.mark.parametrize(
    ("http", "words"),
    [
        ({"address": "8002"}, "http.address: '8002' is not like 0.0.0.0:8002"),
        ({"address": "http://a:8002"}, "http.address: "),
        ({"address": "a:99999"}, "http.address: "),
        ({"address": 8002}, "http.address: Expected `str"),
        ({"asr": "192.168.1.5"}, "http.asr: '192.168.1.5' is not like tcp://192.168.1.5:10300"),
        ({"ingress": ["supervisor"]}, "http.ingress: 'supervisor' does not appear to be"),
        ({"hosts": "speech.example.com"}, "write a list, as [speech.example.com]"),
        ({"port": 8002}, "http.port: unknown setting"),
    ],
)
def test_what_is_refused_is_named(http: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"http": http})
    assert words in str(caught.value)


@pytest.mark.parametrize("address", ["0.0.0.0:8002", "[::]:8002", "localhost:0", "speaker.lan:80"])
def test_addresses(address: str) -> None:
    http = {"address": address, "asr": "tcp://a:10300", "ingress": ["fd00::2"]}
    assert parse({"http": http}).http.address == address


@pytest.mark.parametrize(
    ("uri", "address", "clash"),
    [
        ("tcp://0.0.0.0:8002", "0.0.0.0:8002", True),
        ("tcp://0.0.0.0:8002", "127.0.0.1:8002", True),
        ("tcp://127.0.0.1:8002", "[::]:8002", True),
        ("tcp://localhost:8002", "127.0.0.1:8002", True),
        ("tcp://192.168.1.2:8002", "127.0.0.1:8002", False),
        ("tcp://0.0.0.0:8002", "[::1]:8002", False),
        ("tcp://0.0.0.0:8002", "0.0.0.0:8003", False),
        ("tcp://0.0.0.0:0", "0.0.0.0:0", False),
        ("unix:///run/csm", "0.0.0.0:8002", False),
    ],
)
def test_one_port_is_not_for_both(uri: str, address: str, clash: bool) -> None:
    settings = {"uri": uri, "http": {"address": address}}
    if not clash:
        assert parse(settings).http.address == address
        return
    with pytest.raises(ConfigError, match="are one port") as caught:
        parse(settings)
    assert f"--http {address[:-1]}3" in str(caught.value)


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match=rf"http\.address: tcp://{address} cannot be had"):
            async with doors(FakeEngine(), http=HttpConfig(address=address)):
                pass


async def test_its_address_for_people_is_one_that_can_be_opened() -> None:
    async with doors(FakeEngine(), http=HttpConfig(address="0.0.0.0:0")) as both:
        assert not both.http.url.startswith("http://0.0.0.0")
        async with both.client.get(both.http.url) as answer:
            assert answer.status == 200
