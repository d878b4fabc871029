"""Who may connect: which addresses, and which connection has to go when there are too many."""

from dataclasses import dataclass
from pathlib import Path

import ifaddr
import pytest

from wyoming_csm.config import Limits, load
from wyoming_csm.server.admission import (
    AllowList,
    on_link_networks,
    plain_address,
    to_evict,
)

LOCAL = ["127.0.0.1", "127.9.9.9", "::1", "169.254.3.4", "fe80::1", "fe80::1%eth0", "10.1.2.3"]
PRIVATE = ["172.16.0.1", "172.31.255.254", "192.168.178.20", "fd12:3456::1", "100.64.0.1"]
MAPPED = ["::ffff:192.168.1.5", "::ffff:127.0.0.1"]
STRANGE = ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:4860::8888", "::ffff:8.8.8.8", "11.0.0.1"]


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ifaddr, "get_adapters", list)


@pytest.mark.usefixtures("no_links")
@pytest.mark.parametrize("host", [*LOCAL, *PRIVATE, *MAPPED])
def test_local_ones_may(host: str) -> None:
    assert AllowList(None).admits(host)


@pytest.mark.usefixtures("no_links")
@pytest.mark.parametrize("host", STRANGE)
def test_strangers_may_not(host: str) -> None:
    assert not AllowList(None).admits(host)


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> None:
    ips = [ifaddr.IP("203.0.113.7", 24, "eth0"), ifaddr.IP(("2001:db8:1::7", 0, 2), 64, "eth0")]
    everybody = [ifaddr.IP("198.51.100.1", 0, "tun0")]
    adapters = [ifaddr.Adapter("eth0", "eth0", ips), ifaddr.Adapter("tun0", "tun0", everybody)]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: adapters)


@pytest.mark.usefixtures("links")
@pytest.mark.parametrize("networks", [None, ("local",), ("10.9.0.0/16", "local")])
def test_neighbours_on_the_same_link_may(networks: tuple[str, ...] | None) -> None:
    allowed = AllowList(networks)
    assert allowed.admits("192.168.7.3")
    assert allowed.admits("203.0.113.99")
    assert allowed.admits("2001:db8:1::99")
    assert not allowed.admits("2001:db8:2::99")
    assert not allowed.admits("198.51.100.2")  # a prefix of 0 is no neighbourhood


def test_interfaces_are_looked_at_once_in_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now, looks = 100.0, 0
    adapters: list[ifaddr.Adapter] = []

    def look() -> list[ifaddr.Adapter]:
        nonlocal looks
        looks += 1
        return adapters

    monkeypatch.setattr(ifaddr, "get_adapters", look)
    allowed = AllowList(None, lambda: now)
    assert allowed.admits("192.168.7.3")
    assert looks == 0
    for _ in range(100):  # it keeps connecting
        assert not allowed.admits("203.0.113.99")
        assert "203.0.113.99/32" in allowed.with_home_of("203.0.113.99")
    assert looks == 1
    adapters.append(ifaddr.Adapter("eth0", "eth0", [ifaddr.IP("203.0.113.7", 24, "eth0")]))
    now += 1.0
    assert allowed.admits("203.0.113.99")
    assert allowed.admits("203.0.113.98")
    assert looks == 2
    adapters.clear()
    now += 1.0
    assert not allowed.admits("203.0.113.99")


def test_own_interfaces_are_read() -> None:
    assert any(plain_address("127.0.0.1") in network for network in on_link_networks())


def test_without_descriptors_private_ones_still_may(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left() -> None:
        raise OSError("Too many open files")

    monkeypatch.setattr(ifaddr, "get_adapters", none_left)
    assert AllowList(None).admits("192.168.7.3")
    assert not AllowList(None).admits("203.0.113.99")
    assert "local" in AllowList(None).with_home_of("203.0.113.99")


def test_only_the_configured_ones_may() -> None:
    allowed = AllowList(("192.168.7.0/24", "2001:db8::/32", "10.0.0.9"))
    assert [allowed.admits(host) for host in ("192.168.7.3", "2001:db8::1", "10.0.0.9")] == [
        True
    ] * 3
    assert not allowed.admits("192.168.8.3")
    assert not allowed.admits("127.0.0.1")


@pytest.mark.usefixtures("links")
@pytest.mark.parametrize(
    ("host", "home"),
    [
        ("2001:db8:1:a::1", "2001:db8:1::/56"),  # another /64 of the own home's /56
        ("2001:db8:1:ff:1:2:3:4", "2001:db8:1::/56"),
        ("2001:db8:1:100::1", "2001:db8:1:100::/64"),
        ("2001:db8:2:a:1:2:3:4", "2001:db8:2:a::/64"),
        ("198.51.100.2", "198.51.100.2/32"),
        ("::ffff:198.51.100.2", "198.51.100.2/32"),
    ],
)
def test_what_to_write_to_admit_a_stranger(tmp_path: Path, host: str, home: str) -> None:
    """The very text, in a configuration file, is read and lets the address in, and all others that
    might come before."""
    allowed = AllowList(None)
    assert not allowed.admits(host)
    setting = allowed.with_home_of(host)
    assert setting == f"limits: {{networks: [local, '{home}']}}"
    (tmp_path / "config.yaml").write_text(setting)
    after = AllowList(load(tmp_path / "config.yaml").limits.networks)
    for admitted in (host, "192.168.7.3", "127.0.0.1", "203.0.113.99"):
        assert after.admits(admitted)


@pytest.mark.usefixtures("links")
@pytest.mark.parametrize(
    ("host", "home"),
    [
        ("192.168.8.3", "192.168.8.0/24"),
        ("100.64.7.7", "100.64.7.0/24"),
        ("127.0.0.1", "127.0.0.1/32"),
        ("fd12:3456:789a:1::5", "fd12:3456:789a::/48"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1/128"),
        ("2001:db8:1:a::1", "2001:db8:1::/56"),
    ],
)
def test_what_to_write_besides_what_is_configured(host: str, home: str) -> None:
    allowed = AllowList(("192.168.7.0/24",))
    assert not allowed.admits(host)
    assert allowed.with_home_of(host) == f"limits: {{networks: ['192.168.7.0/24', '{home}']}}"


@dataclass(eq=False)
class Connected:
    address: str
    last_active: float = 0.0
    busy: bool = False
    arriving: bool = False

    def close(self, reason: str) -> None:
        pytest.fail("who is to go is only told")


def evicted(new: str, *there: Connected, total: int = 4, each: int = 3) -> Connected | None:
    return to_evict(there, new, Limits(connections=total, connections_per_address=each))


def test_the_longest_idle_of_a_full_address_makes_room() -> None:
    idle = Connected("a", 1)
    assert evicted("a", Connected("a", 3), idle, Connected("a", 2)) is idle


def test_another_address_still_gets_in_and_the_greediest_pays() -> None:
    modest, greedy = Connected("b", 0), Connected("a", 5)
    assert evicted("c", modest, greedy, Connected("a", 6), Connected("a", 7)) is greedy


def test_among_equally_greedy_addresses_the_longest_idle_goes() -> None:
    idle = Connected("b", 1)
    assert evicted("c", Connected("a", 2), Connected("a", 3), idle, Connected("b", 4)) is idle


def test_a_busy_one_goes_last() -> None:
    idle = Connected("a", 9)
    busy = Connected("a", 1, busy=True), Connected("a", 2, busy=True)
    assert evicted("a", busy[0], idle, busy[1]) is idle


def test_one_that_arrives_goes_before_a_busy_one_and_after_one_that_idles() -> None:
    busy, new = Connected("a", 1.0, busy=True), Connected("a", 2.0, arriving=True)
    idle = Connected("a", 3.0)
    assert evicted("a", busy, new, idle) is idle
    assert evicted("a", busy, new, each=2) is new


def test_below_the_limits_all_stay() -> None:
    assert evicted("a", Connected("a"), Connected("a"), Connected("b")) is None
