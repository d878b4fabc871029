"""Under which addresses others reach the server: adapters made up, and this machine's own."""

import ipaddress

import ifaddr
import pytest

from wyoming_csm.server.addresses import reachable_addresses

# No machine has adapters of these names: else it would be asked whether they are up.


def adapter(name: str, *addresses: str, index: int = 1) -> ifaddr.Adapter:
    ips = [ifaddr.IP((a, 0, 0) if ":" in a else a, 24, name) for a in addresses]
    return ifaddr.Adapter(name, name, ips, index=index)


def have(monkeypatch: pytest.MonkeyPatch, *adapters: ifaddr.Adapter) -> None:
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: adapters)


def reachable(*hosts: str) -> dict[str, int]:
    return {str(address): link for address, link in reachable_addresses(hosts).items()}


def test_usable_addresses_are_those_that_others_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    have(
        monkeypatch,
        adapter("lo", "127.0.0.1", "::1"),
        adapter("docker0", "172.17.0.1"),
        adapter("br-0123456789ab", "172.18.0.1"),
        adapter("veth12ab", "fe80::2"),
        adapter("fake1", "169.254.7.7"),
        adapter("fake0", "2001:db8::5", "fe80::1", "9.9.9.9"),
        adapter("fake-lan", "192.168.1.5", "192.168.1.5", index=7),
    )
    found = reachable("::")
    assert found == {"192.168.1.5": 7, "9.9.9.9": 1, "2001:db8::5": 1, "169.254.7.7": 1}
    assert next(iter(found)) == "192.168.1.5"
    assert list(found)[-1] == "169.254.7.7"
    have(monkeypatch)
    assert reachable("::") == {}


def test_they_follow_the_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    have(
        monkeypatch,
        adapter("lo", "127.0.0.1", "::1"),
        adapter("fake0", "192.168.1.5", "fd00::5", "fe80::1", index=2),
        adapter("fake1", "192.168.9.5", "fe80::1", index=3),
    )
    assert reachable("0.0.0.0") == {"192.168.1.5": 2, "192.168.9.5": 3}
    assert reachable("::") == {"192.168.1.5": 2, "192.168.9.5": 3, "fd00::5": 2}
    assert reachable("192.168.9.5") == {"192.168.9.5": 3}
    assert reachable("127.0.1.1") == {"127.0.1.1": 1}
    assert reachable("192.168.1.6") == {}, "an address that is not here yet, or any more"
    several = reachable("127.0.1.1", "fd00::5", "192.168.1.5")
    assert several == {"192.168.1.5": 2, "fd00::5": 2}, "of a name"
    assert list(several) == ["192.168.1.5", "fd00::5"]


def test_a_link_local_address_names_its_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it no client can connect."""
    have(monkeypatch, adapter("fake0", "fe80::1", index=2), adapter("fake1", "fe80::1", index=3))
    assert reachable("fe80::1%fake1") == {"fe80::1%fake1": 3}
    assert reachable("fe80::1") == {}
    assert reachable("::") == {}


def test_this_machines_own() -> None:
    everything = reachable_addresses(["::"])
    assert reachable_addresses(["0.0.0.0"]) == {
        a: link for a, link in everything.items() if a.version == 4
    }
    assert reachable("127.0.0.1") == {"127.0.0.1": 1}
    assert ipaddress.ip_address("203.0.113.9") not in everything
