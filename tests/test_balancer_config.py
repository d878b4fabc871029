"""The settings of a server behind a balancer: what is refused, and in which words."""

import pytest

from wyoming_csm.config import Config, parse
from wyoming_csm.errors import ConfigError
from wyoming_csm.serve import warn_of_balancer


@pytest.mark.parametrize(
    ("balancer", "words"),
    [
        ({"proxies": ["haproxy"]}, "balancer.proxies: 'haproxy' does not appear to be"),
        ({"proxies": ["local"]}, "balancer.proxies: 'local' does not appear to be"),
        ({"proxies": "10.0.0.1"}, "balancer.proxies: write a list, as [10.0.0.1] (Add"),
        ({"agent": 0}, "balancer.agent: Expected `int` >= 1"),
        ({"agent": 65_536}, "balancer.agent: Expected `int` <= 65535"),
        ({"agent": "here"}, "balancer.agent: 'here' is neither a port, as 10201, nor like 0.0.0.0"),
        ({"agent": "99999"}, "balancer.agent: '127.0.0.1:99999' is neither a port"),
        ({"drain_seconds": -1}, "balancer.drain_seconds: Expected"),
    ],
)
def test_what_is_wrong_is_named(balancer: object, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"balancer": balancer})
    assert str(caught.value).startswith(words)


@pytest.mark.parametrize(
    ("balancer", "warned"),
    [
        ({}, False),
        ({"proxies": ["10.0.0.1"]}, True),
        ({"agent": 10_201}, False),
        ({"proxies": ["10.0.0.1"], "agent": 10_201}, False),
    ],
)
def test_a_balancer_that_learns_of_no_end_is_warned_of(
    balancer: object, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_balancer(parse({"balancer": balancer}))
    assert ("set balancer.agent" in caplog.text) is warned


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "10.0.0.0/8", "fd00::1"])
def test_proxies_that_are_everybody_are_warned_of(
    network: str, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_balancer(parse({"balancer": {"proxies": ["10.0.0.1", network], "agent": 10_201}}))
    everybody = f"balancer.proxies: {network} is everybody: "
    assert (everybody in caplog.text) is network.endswith("/0")


@pytest.mark.parametrize(
    ("settings", "cure"),
    [
        ({"balancer": {"agent": 10_200}}, "{agent: 127.0.0.1:10201}"),
        ({"balancer": {"agent": "[::]:10200"}}, "{agent: [::]:10201}"),
        (
            {"http": {"address": "0.0.0.0:8002"}, "balancer": {"agent": "0.0.0.0:8002"}},
            "{agent: 0.0.0.0:8003}",
        ),
        (
            {"http": {"address": "0.0.0.0:10201"}, "balancer": {"agent": 10_200}},
            "{agent: 127.0.0.1:10202}",
        ),
        (
            {"uri": "tcp://0.0.0.0:65535", "balancer": {"agent": "0.0.0.0:65535"}},
            "{agent: 0.0.0.0:65534}",
        ),
    ],
)
def test_one_port_is_not_for_two(settings: dict[str, object], cure: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(settings)
    assert str(caught.value).startswith("balancer.agent: ")
    assert str(caught.value).endswith(f"are one port, and each needs its own: `balancer: {cure}`")


@pytest.mark.parametrize(
    "settings",
    [
        {"uri": "tcp://192.168.1.5:10200", "balancer": {"agent": 10_200}},
        {"uri": "unix:///run/speech", "balancer": {"agent": 10_200}},
        {"uri": "tcp://127.0.0.1:0", "balancer": {"agent": "127.0.0.1:0"}},
    ],
)
def test_one_port_of_other_addresses_is(settings: dict[str, object]) -> None:
    assert parse(settings).balancer.is_used


@pytest.mark.parametrize("address", ["gpu1:10200", "10.0.0.1", "10.0.0.1:0", "::1:10200", "[::1]"])
def test_what_is_announced_is_an_address(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"discovery": {"address": address}})
    assert f"discovery.address: {address!r} is not like 192.168.1.10:10200" in str(caught.value)


def test_a_port_is_of_this_machine_alone() -> None:
    own = "127.0.0.1:10201"
    for agent, address in (
        *((10_201, own), ("10201", own), (None, None)),
        *((word, word) for word in ("0.0.0.0:10201", "[::1]:10201")),
    ):
        config = parse({"balancer": {"agent": agent}})
        assert config.balancer.agent_address == address
        assert config.balancer.is_used is (agent is not None)
    assert parse({"balancer": {"proxies": ["fd00::/8"]}}).balancer.is_used
    assert not Config().balancer.is_used
    assert parse({"discovery": {"address": "[fd00::1]:1"}}).discovery.address == "[fd00::1]:1"
