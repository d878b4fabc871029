"""How Home Assistant finds the server by itself: one announcement over zeroconf (mDNS).

Never fatal: whatever fails is one warning with its cure, and the server goes on.
"""

import asyncio
import ipaddress
import logging
import re
import secrets
import socket
import unicodedata
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager

import ifaddr
from zeroconf import Error as ZeroconfError
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from wyoming_csm.config import DiscoveryConfig
from wyoming_csm.within import within

_LOGGER = logging.getLogger(__name__)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_SERVICE = "_wyoming._tcp.local."
_NAME_BYTES = 58  # a label has 63; a conflict adds "-2"
_REGISTER_SECONDS = 10.0  # takes 1 to 2 s
_GOODBYE_SECONDS = 3.0  # takes 0.3 s
# Bridges of containers and virtual machines: nothing at home can reach their addresses.
_VIRTUAL = re.compile(
    r"docker\d|br-[0-9a-f]{12}$|veth|virbr|vmnet|vboxnet|lxcbr|lxdbr|podman|cni|flannel|cali|hassio"
)
_CURE = (
    "add it in Home Assistant by hand (Settings, Devices, Add, Wyoming Protocol);"
    " to be found, the server needs a network with multicast (in Docker: network_mode: host);"
    " `discovery: {enabled: false}` stops this warning"
)


def usable_addresses(adapters: Iterable[ifaddr.Adapter] | None = None) -> list[Address]:
    """This machine's (or these adapters') addresses that others can reach, the likeliest first:
    private IPv4, other IPv4, IPv6, self-assigned IPv4. No loopback, container bridges or
    link-local IPv6."""
    found: list[Address] = []
    for adapter in ifaddr.get_adapters() if adapters is None else adapters:
        if _VIRTUAL.match(adapter.name):
            continue
        for ip in adapter.ips:
            address = ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
            unusable = address.is_loopback or address.is_unspecified or address.is_multicast
            if not unusable and not (address.version == 6 and address.is_link_local):
                found.append(address)
    return sorted(dict.fromkeys(found), key=_rank)


def _rank(address: Address) -> int:
    if address.version == 6:
        return 2
    return 3 if address.is_link_local else 0 if address.is_private else 1


async def reachable_addresses(host: str) -> list[Address]:
    """Where a server bound to `host` can be reached: all usable addresses for "0.0.0.0" (IPv4
    only) and "::" or "" (both), else that of `host`. [] if there is none."""
    try:
        bound = ipaddress.ip_address(host.partition("%")[0] or "::")
    except ValueError:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None)
        except OSError:
            return []
        resolved = {ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found}
        return sorted(resolved, key=_rank)
    if not bound.is_unspecified:
        return [bound]
    return [a for a in usable_addresses() if bound.version == 6 or a.version == 4]


@asynccontextmanager
async def announce(
    settings: DiscoveryConfig,
    port: int | None,
    host: str,
    *,
    interfaces: Sequence[str] | None = None,
) -> AsyncGenerator[str | None]:
    """Announced inside the block, with a goodbye at its end; enter it once the port answers.

    Gives the name that others see (another than asked for if that was taken), or None: not
    announced, because it is off, a Unix socket (`port` None), or it failed. `interfaces`: local
    addresses to speak mDNS on, instead of the ones announced.
    """
    if not settings.enabled or port is None:
        yield None
        return
    addresses = await reachable_addresses(host)
    instance = instance_name(settings.name or f"wyoming-csm-{socket.gethostname().split('.')[0]}")
    info = AsyncServiceInfo(
        _SERVICE,
        f"{instance}.{_SERVICE}",
        port=port,
        parsed_addresses=[str(address) for address in addresses],
        # a host name of our own: the machine's would compete with its own mDNS responder
        server=f"wyoming-csm-{secrets.token_hex(4)}.local.",
    )
    zeroconf = await _register(info, list(interfaces or _speak_on(addresses)))
    if zeroconf is None:
        yield None
        return
    name = info.name.removesuffix(f".{_SERVICE}")
    if name != instance:
        _LOGGER.warning("The name %s is taken on this network: announced as %s", instance, name)
    try:
        yield name
    finally:
        await _close(zeroconf)


def instance_name(wanted: str) -> str:
    """`wanted` as one DNS label that leaves room for a number."""
    printable = (c for c in unicodedata.normalize("NFC", wanted) if c.isprintable())
    label = "".join(printable).replace(".", "-").strip()
    return label.encode(errors="ignore")[:_NAME_BYTES].decode(errors="ignore") or "wyoming-csm"


def _speak_on(addresses: list[Address]) -> list[str]:
    """IPv4 multicast carries the IPv6 addresses too; IPv6 multicast where there is nothing else."""
    if any(address.is_loopback for address in addresses):
        return ["127.0.0.1"]  # IPv6 has no multicast there
    ipv4 = [str(address) for address in addresses if address.version == 4]
    return ipv4 or [str(address) for address in addresses]


async def _register(info: AsyncServiceInfo, interfaces: list[str]) -> AsyncZeroconf | None:
    """None: it failed, and was said."""
    zeroconf: AsyncZeroconf | None = None
    registered = False
    try:
        if not interfaces:
            raise OSError("no network address that others could reach")
        async with asyncio.timeout(_REGISTER_SECONDS):
            zeroconf = AsyncZeroconf(interfaces=interfaces)
            sent = await zeroconf.async_register_service(info, allow_name_change=True)
            if not zeroconf.zeroconf.engine.senders:
                raise OSError(f"no multicast on {', '.join(interfaces)}")
            await sent
        registered = True
    except (ZeroconfError, OSError, RuntimeError) as error:  # RuntimeError: an address went away
        reason = str(error) or type(error).__name__
        _LOGGER.warning("Not announced on the network (%s): %s", reason, _CURE)
    finally:
        if zeroconf is not None and not registered:
            await _close(zeroconf)
    return zeroconf if registered else None


async def _close(zeroconf: AsyncZeroconf) -> None:
    """The goodbye, if there is something to say it about."""
    try:
        if not await within(_GOODBYE_SECONDS, zeroconf.async_close()):
            raise OSError(f"it took longer than {_GOODBYE_SECONDS:g} s")
    except (ZeroconfError, OSError, RuntimeError) as error:
        _LOGGER.warning("No goodbye on the network (%s): it may be listed a while longer", error)
