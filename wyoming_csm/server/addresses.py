"""Under which addresses of this machine others can reach the server."""

import ipaddress
import re
from collections.abc import Iterable
from pathlib import Path

import ifaddr

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Bridges of containers and virtual machines: nothing at home can reach their addresses.
_VIRTUAL = re.compile(
    r"docker\d|br-[0-9a-f]{12}$|veth|virbr|vmnet|vboxnet|lxcbr|lxdbr|podman|cni|flannel|cali|hassio"
)
_LOOPBACK = 1  # its index, also for those of its addresses that no adapter lists


def reachable_addresses(hosts: Iterable[str]) -> dict[Address, int]:
    """Find where a server bound to these numeric hosts can be reached, the likeliest first.

    All usable addresses for "0.0.0.0" (IPv4 only) and "::" (both); else those of the hosts that
    this machine has now, loopback only where there is nothing else; {} if there is none. First
    comes private IPv4, then other IPv4, IPv6, self-assigned IPv4. Each has the index of its link:
    the same address on another link is another network. Raises OSError where the machine may not
    be asked, as without descriptors.
    """
    adapters = [one for one in ifaddr.get_adapters() if _is_running(one)]
    usable = _usable(adapters)
    own = {_scoped(ip, one): one.index or 0 for one in adapters for ip in one.ips}
    found: dict[Address, int] = {}
    for bound in map(ipaddress.ip_address, hosts):
        if bound.is_unspecified:
            both = bound.version == 6
            found |= {a: link for a, link in usable.items() if both or a.version == 4}
        elif bound in own or bound.is_loopback:
            found[bound] = own.get(bound, _LOOPBACK)
    outside = [address for address in found if not address.is_loopback]
    return {address: found[address] for address in sorted(outside or found, key=_rank)}


def _usable(adapters: Iterable[ifaddr.Adapter]) -> dict[Address, int]:
    """Leave out loopback, container bridges, and link-local IPv6."""
    found: dict[Address, int] = {}
    for adapter in adapters:
        for address in () if _VIRTUAL.match(adapter.name) else map(plain, adapter.ips):
            unusable = address.is_loopback or address.is_unspecified or address.is_multicast
            if not unusable and not (address.version == 6 and address.is_link_local):
                found.setdefault(address, adapter.index or 0)
    return found


def _rank(address: Address) -> int:
    if address.version == 6:
        return 2
    return 3 if address.is_link_local else 0 if address.is_private else 1


def plain(ip: ifaddr.IP) -> Address:
    """Return an adapter's address without its scope."""
    return ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])


def _scoped(ip: ifaddr.IP, adapter: ifaddr.Adapter) -> Address:
    """Return the address, a link-local one of IPv6 with its link: each link has its own."""
    address = plain(ip)
    if address.version == 4 or not address.is_link_local:
        return address
    return ipaddress.ip_address(f"{address}%{adapter.name}")


def _is_running(adapter: ifaddr.Adapter) -> bool:
    """Return False where Linux says that the cable is out, or the like."""
    try:
        name = adapter.name.partition(":")[0]  # of eth0:1, too
        state = Path(f"/sys/class/net/{name}/operstate").read_text(encoding="utf-8").strip()
    except OSError:  # the adapter is gone, or it is no Linux
        return True
    return state in ("up", "unknown")
