"""Under which addresses of this machine others can reach the server, now."""

import asyncio
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


async def reachable_addresses(host: str) -> dict[Address, int]:
    """Where a server bound to `host` can be reached, the likeliest first, each with the index of
    its link: another link of the same address is another network.

    All usable addresses for "0.0.0.0" (IPv4 only) and "::" or "" (both); else those of `host`
    that this machine has. {} if there is none.
    """
    try:
        bound = [ipaddress.ip_address(host or "::")]
    except ValueError:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None)
        except OSError:
            return {}
        resolved = [ipaddress.ip_address(str(entry[4][0])) for entry in found]
        bound = sorted(dict.fromkeys(resolved), key=_rank)
    adapters = list(ifaddr.get_adapters())
    if bound[0].is_unspecified:
        usable = usable_addresses(adapters)
        return {a: link for a, link in usable.items() if bound[0].version == 6 or a.version == 4}
    own = {
        address: adapter.index or 0
        for adapter in adapters
        if _is_running(adapter)
        for ip in adapter.ips
        for address in (_plain(ip), _scoped(ip, adapter))
    }
    own |= {address: _LOOPBACK for address in bound if address.is_loopback}
    return {address: own[address] for address in bound if address in own}


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
    """As a link-local one is written, which each link has for itself."""
    return ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else f"{ip.ip[0]}%{adapter.name}")


def _is_running(adapter: ifaddr.Adapter) -> bool:
    """False where the kernel says that the cable is out, or the like."""
    if sys.platform != "linux":
        return True
    from fcntl import ioctl

    request = struct.pack("256s", adapter.name.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            (flags,) = struct.unpack_from("H", ioctl(asked, _SIOCGIFFLAGS, request), 16)
        except OSError:  # it is gone, or nobody may ask
            return True
    return bool(flags & _IFF_RUNNING)
