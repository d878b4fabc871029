"""Under which addresses of this machine others can reach the server, and when that may change."""

import asyncio
import ipaddress
import re
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import ExitStack, suppress

import ifaddr

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Bridges of containers and virtual machines: nothing at home can reach their addresses.
_VIRTUAL = re.compile(
    r"docker\d|br-[0-9a-f]{12}$|veth|virbr|vmnet|vboxnet|lxcbr|lxdbr|podman|cni|flannel|cali|hassio"
)
_LOOPBACK = 1  # its index, also for those of its addresses that no adapter lists
_SIOCGIFFLAGS, _IFF_RUNNING = 0x8913, 0x40  # netdevice(7)
_GROUPS = 0x001 | 0x010 | 0x100  # links, IPv4 and IPv6 addresses: RTMGRP_… in rtnetlink(7)
_MESSAGE_BYTES = 65_536
# Changes come in groups; a new IPv6 address is tried for 1 s before it serves.
GROUP_SECONDS = 2.0
LOOK_SECONDS = 10.0  # where the system tells of no changes
_LOOK_ANYWAY_SECONDS = 60.0  # where it does: what failed for another reason is tried again


def reachable_addresses(hosts: Iterable[str]) -> dict[Address, int]:
    """Find where a server bound to these numeric hosts can be reached, the likeliest first.

    All usable addresses for "0.0.0.0" (IPv4 only) and "::" (both); else those of the hosts that
    this machine has now, loopback only where there is nothing else; {} if there is none. Each has
    the index of its link: the same address on another link is another network. Raises OSError
    where the machine may not be asked, as without descriptors.
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
    """Find the addresses of this machine (or these adapters) that others can reach.

    The likeliest come first, each with the index of its link: private IPv4, other IPv4, IPv6,
    self-assigned IPv4. No loopback, container bridges, links that are down, or link-local IPv6.
    """
    found: dict[Address, int] = {}
    for adapter in ifaddr.get_adapters() if adapters is None else adapters:
        if _VIRTUAL.match(adapter.name) or not _is_running(adapter):
            continue
        for address in map(plain, adapter.ips):
            unusable = address.is_loopback or address.is_unspecified or address.is_multicast
            if not unusable and not (address.version == 6 and address.is_link_local):
                found.setdefault(address, adapter.index or 0)
    return {address: found[address] for address in sorted(found, key=_rank)}


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
    """Return False where the kernel says that the cable is out, or the like."""
    if sys.platform != "linux":
        return True
    from fcntl import ioctl

    request = struct.pack("256s", adapter.name.encode()[:15])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            (flags,) = struct.unpack_from("H", ioctl(asked, _SIOCGIFFLAGS, request), 16)
    except OSError:  # the adapter is gone, or asking is forbidden
        return True
    return bool(flags & _IFF_RUNNING)


class NetworkChanges:
    """Waits, inside `async with`, for changes of the machine's addresses.

    Linux tells of them, elsewhere it is always time to look again after a while. What changed, a
    look at the addresses tells.
    """

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self._socket: socket.socket | None = None

    async def __aenter__(self) -> "NetworkChanges":
        self._socket = _routing_socket()
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket, self._receive)
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    async def wait(self) -> None:
        """Wait until it is time to look: after a change since the last time, or when in doubt."""
        longest = LOOK_SECONDS if self._socket is None else _LOOK_ANYWAY_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self._told.wait()
                await asyncio.sleep(GROUP_SECONDS)
        self._told.clear()

    def _receive(self) -> None:
        assert self._socket is not None
        with suppress(OSError):  # more came than it holds: that is a change, too
            self._socket.recv(_MESSAGE_BYTES)
        self._told.set()


def _routing_socket() -> socket.socket | None:
    """Open what Linux tells changes by; None elsewhere, or where it is forbidden."""
    if sys.platform != "linux":
        return None
    with suppress(OSError), ExitStack() as undo:
        found = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        undo.enter_context(found)
        found.setblocking(False)
        found.bind((0, _GROUPS))
        undo.pop_all()
        return found
    return None
