"""Under which addresses of this machine others can reach the server, now."""

import ipaddress
import re
import socket
import struct
import sys
from collections.abc import Iterable

import ifaddr

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Bridges of containers and virtual machines: nothing at home can reach their addresses.
_VIRTUAL = re.compile(
    r"docker\d|br-[0-9a-f]{12}$|veth|virbr|vmnet|vboxnet|lxcbr|lxdbr|podman|cni|flannel|cali|hassio"
)
_LOOPBACK = 1  # its index, also for those of its addresses that no adapter lists
_SIOCGIFFLAGS, _IFF_RUNNING = 0x8913, 0x40  # netdevice(7)


def reachable_addresses(hosts: Iterable[str]) -> dict[Address, int]:
    """Where a server bound to these numeric hosts can be reached, the likeliest first, each with
    the index of its link: the same address on another link is another network.

    All usable addresses for "0.0.0.0" (IPv4 only) and "::" (both); else those of the hosts that
    this machine has now, loopback only where there is nothing else. {} if there is none. Raises
    OSError where the machine may not be asked, as without descriptors.
    """
    adapters = [one for one in ifaddr.get_adapters() if _is_running(one)]
    usable = usable_addresses(adapters)
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


def usable_addresses(adapters: Iterable[ifaddr.Adapter] | None = None) -> dict[Address, int]:
    """This machine's (or these adapters') addresses that others can reach, the likeliest first,
    with the index of their link: private IPv4, other IPv4, IPv6, self-assigned IPv4. No loopback,
    container bridges, links that are down, or link-local IPv6."""
    found: dict[Address, int] = {}
    for adapter in ifaddr.get_adapters() if adapters is None else adapters:
        if _VIRTUAL.match(adapter.name) or not _is_running(adapter):
            continue
        for address in map(_plain, adapter.ips):
            unusable = address.is_loopback or address.is_unspecified or address.is_multicast
            if not unusable and not (address.version == 6 and address.is_link_local):
                found.setdefault(address, adapter.index or 0)
    return {address: found[address] for address in sorted(found, key=_rank)}


def _rank(address: Address) -> int:
    if address.version == 6:
        return 2
    return 3 if address.is_link_local else 0 if address.is_private else 1


def _plain(ip: ifaddr.IP) -> Address:
    return ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])


def _scoped(ip: ifaddr.IP, adapter: ifaddr.Adapter) -> Address:
    """A link-local one of IPv6 with its link: each link has its own."""
    plain = _plain(ip)
    if plain.version == 4 or not plain.is_link_local:
        return plain
    return ipaddress.ip_address(f"{plain}%{adapter.name}")


def _is_running(adapter: ifaddr.Adapter) -> bool:
    """False where the kernel says that the cable is out, or the like."""
    if sys.platform != "linux":
        return True
    from fcntl import ioctl

    request = struct.pack("256s", adapter.name.encode()[:15])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            (flags,) = struct.unpack_from("H", ioctl(asked, _SIOCGIFFLAGS, request), 16)
    except OSError:  # it is gone, or nobody may ask
        return True
    return bool(flags & _IFF_RUNNING)
