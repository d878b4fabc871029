"""How Home Assistant finds the server by itself: one announcement over zeroconf (mDNS).

Never fatal: whatever fails is one warning with its cure, and the server goes on.
"""

import asyncio
import logging
import secrets
import socket
import unicodedata
from collections.abc import Sequence
from contextlib import AsyncExitStack
from ipaddress import ip_address

from zeroconf import DNSOutgoing, ServiceInfo, Zeroconf  # type: ignore[attr-defined]
from zeroconf import Error as ZeroconfError
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from wyoming_csm.config import DiscoveryConfig
from wyoming_csm.server.addresses import Address
from wyoming_csm.within import within

_LOGGER = logging.getLogger(__name__)

_SERVICE = "_wyoming._tcp.local."
_NAME_BYTES = 58  # a label has 63; a conflict adds "-2"
_REGISTER_SECONDS = 10.0  # takes 1 to 2 s
_GOODBYE_SECONDS = 3.0  # takes 0.3 s
_CURE = (
    "add it in Home Assistant by hand (Settings, Devices, Add, Wyoming Protocol);"
    " to be found, the server needs a network with multicast (in Docker: network_mode: host);"
    " `discovery: {enabled: false}` stops this warning"
)


class _Zeroconf(Zeroconf):
    """Asks for answers to all whether a name is taken.

    An answer to one address reaches one of the sockets that this machine has on the port: that of
    another server or of Home Assistant, and a taken name would look free.
    """

    def generate_service_query(self, info: ServiceInfo) -> DNSOutgoing:
        """Return the question with which `info` is registered."""
        query = super().generate_service_query(info)
        for question in query.questions:
            question.unicast = False
        return query


class Announcement:
    """Announces the server on the network, or the balancer before it, until the goodbye at the end.

    `interfaces`: local addresses to speak mDNS on, instead of the ones announced.
    """

    def __init__(
        self, settings: DiscoveryConfig, port: int, *, interfaces: Sequence[str] = ()
    ) -> None:
        self._enabled = settings.enabled
        self._balancer: Address | None = None
        self._port = port
        if settings.address is not None:
            self._balancer, self._port = _split(settings.address)
        self._interfaces = list(interfaces)
        name = settings.name or f"wyoming-csm-{socket.gethostname().split('.')[0]}"
        self._name = instance_name(name)
        # A host name of our own: the machine's would compete with its own mDNS responder. It stays,
        # so that what is announced later replaces what was.
        self._server = f"wyoming-csm-{secrets.token_hex(4)}.local."
        self._known: tuple[AsyncZeroconf, AsyncServiceInfo] | None = None
        self._complaint = ""  # so that it is made once

    async def __aenter__(self) -> "Announcement":
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._known is not None:
            await _close(self._known[0])

    @property
    def is_complete(self) -> bool:
        """Return whether nothing has to be tried again."""
        return self._known is not None or not self._enabled

    async def announce(self, addresses: Sequence[Address]) -> str | None:
        """Announce these addresses, instead of others before, once the port answers; of a balancer
        its own, on their networks.

        Return the name that others see (another than asked for if that was taken), or None if it
        is not announced: it is off, there is no address, or it failed.
        """
        await self._withdraw()
        if not self._enabled or not addresses:
            return None
        info = AsyncServiceInfo(
            _SERVICE,
            f"{self._name}.{_SERVICE}",
            port=self._port,
            addresses=[one.packed for one in ([self._balancer] if self._balancer else addresses)],
            server=self._server,
        )
        zeroconf = await self._register(info, self._interfaces or _speak_on(addresses))
        if zeroconf is None:
            return None
        self._known = zeroconf, info
        name = info.name.removesuffix(f".{_SERVICE}")
        if name != self._name:
            _LOGGER.warning(
                "The name %s is taken on this network: announced as %s", self._name, name
            )
            self._name = name
        _LOGGER.info("Announced as %r: Home Assistant finds it by itself", name)
        return name

    async def _withdraw(self) -> None:
        """End the announcement before without a goodbye, and close its sockets.

        What follows has the same names, or there is no network to say it to. A socket of an
        address or link that went away serves no more.
        """
        if self._known is not None:
            zeroconf, info = self._known
            self._known = None
            zeroconf.zeroconf.registry.async_remove(info)
            await _close(zeroconf)

    async def _register(
        self, info: AsyncServiceInfo, interfaces: list[str]
    ) -> AsyncZeroconf | None:
        """Register `info`; return None if that failed, which was logged."""
        try:
            async with AsyncExitStack() as undo, asyncio.timeout(_REGISTER_SECONDS):
                zeroconf = AsyncZeroconf(zc=_Zeroconf(interfaces))
                undo.push_async_callback(_close, zeroconf)
                sent = await zeroconf.async_register_service(info, allow_name_change=True)
                if not zeroconf.zeroconf.engine.senders:
                    raise OSError(f"no multicast on {', '.join(interfaces)}")
                await sent
                undo.pop_all()
        except (ZeroconfError, OSError, RuntimeError) as error:  # RuntimeError: an address went
            self._complain(str(error) or type(error).__name__)
            return None
        self._complaint = ""
        return zeroconf

    def _complain(self, reason: str) -> None:
        if reason != self._complaint:
            _LOGGER.warning("Not announced on the network (%s): %s", reason, _CURE)
        self._complaint = reason


def instance_name(wanted: str) -> str:
    """Turn `wanted` into one DNS label that leaves room for a number."""
    printable = (c for c in unicodedata.normalize("NFC", wanted) if c.isprintable())
    label = "".join(printable).replace(".", "-").strip()
    return label.encode(errors="ignore")[:_NAME_BYTES].decode(errors="ignore") or "wyoming-csm"


def _split(address: str) -> tuple[Address, int]:
    """Return the parts of `discovery.address`, which the configuration checked."""
    host, _, port = address.rpartition(":")
    return ip_address(host.strip("[]")), int(port)


def _speak_on(addresses: Sequence[Address]) -> list[str]:
    """Choose IPv4 multicast, which carries IPv6 addresses too, else IPv6."""
    if any(address.is_loopback for address in addresses):
        return ["127.0.0.1"]  # IPv6 has no multicast there
    ipv4 = [str(address) for address in addresses if address.version == 4]
    return ipv4 or [str(address) for address in addresses]


async def _close(zeroconf: AsyncZeroconf) -> None:
    """Say goodbye, if something is announced, and close the sockets."""
    try:
        if not await within(_GOODBYE_SECONDS, zeroconf.async_close()):
            raise OSError(f"it took longer than {_GOODBYE_SECONDS:g} s")
    except (ZeroconfError, OSError, RuntimeError) as error:
        _LOGGER.warning("No goodbye on the network (%s): it may be listed a while longer", error)
