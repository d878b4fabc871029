"""Who may connect: peers of the allowed networks, and never more than the limits.

The protocol has no passwords, so the network an address belongs to decides. Beyond the limits the
longest idle connection of the address with the most of them is closed.
"""

import logging
import math
import socket
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network
from typing import Protocol, TypeVar

import ifaddr

from wyoming_csm.config import LOCAL_WORD, Limits
from wyoming_csm.server.addresses import Address, plain
from wyoming_csm.server.proxy_header import Client
from wyoming_csm.server.rate_limited_log import RateLimitedLog

_LOGGER = logging.getLogger(__name__)

Network = IPv4Network | IPv6Network

LOCAL = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8",
        "::1/128",
        "169.254.0.0/16",  # link-local
        "fe80::/10",
        "10.0.0.0/8",  # private
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",  # unique local
        "100.64.0.0/10",  # shared: carriers' NAT, and overlay networks such as Tailscale
    )
)
_UNIX_PEER = "unix"
_MOST_BESIDE = 16  # connections that balancers make for themselves, beside all limits
_LINKS_SECONDS = 1.0  # until they are looked at again, which takes a millisecond
_UNIQUE_LOCAL = ip_network("fc00::/7")


class AllowList:
    """The networks of the configuration; `local` are the private ones and this machine's links."""

    def __init__(
        self, networks: tuple[str, ...] | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take `limits.networks`, which the configuration checked; None is `local` alone. `clock`
        tells seconds, from any time on."""
        self._names = (LOCAL_WORD,) if networks is None else networks
        self._with_links = LOCAL_WORD in self._names
        named = (ip_network(n, strict=False) for n in self._names if n != LOCAL_WORD)
        self._fixed: tuple[Network, ...] = (*named, *(LOCAL if self._with_links else ()))
        self._clock = clock
        self._links: tuple[Network, ...] = ()
        self._look_again = -math.inf

    def admits(self, host: str) -> bool:
        """Tell whether a peer of this numeric address may connect."""
        address = plain_address(host)
        if _is_in(address, self._fixed):
            return True
        return self._with_links and _is_in(address, self._neighbourhoods())

    def with_home_of(self, host: str) -> str:
        """Write the setting that admits this address as well, to paste into the configuration."""
        home = home_of(plain_address(host), self._neighbourhoods())
        names = [name if name == LOCAL_WORD else f"'{name}'" for name in (*self._names, str(home))]
        return f"limits: {{networks: [{', '.join(names)}]}}"

    def _neighbourhoods(self) -> tuple[Network, ...]:
        if (now := self._clock()) >= self._look_again:
            self._links, self._look_again = on_link_networks(), now + _LINKS_SECONDS
        return self._links


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def plain_address(host: str) -> Address:
    """Parse a peer's address without its scope; IPv4 also where it came over an IPv6 socket."""
    address = ip_address(host.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def on_link_networks() -> tuple[Network, ...]:
    """Return the prefixes that this machine's own interfaces have now: they change."""
    try:
        ips = [ip for adapter in ifaddr.get_adapters() for ip in adapter.ips]
    except OSError as error:  # no descriptor left to ask with
        _LOGGER.debug("The network interfaces cannot be read: %s", error)
        return ()
    return tuple(  # a prefix of 0 would be everybody
        ip_interface(f"{plain(ip)}/{ip.network_prefix}").network for ip in ips if ip.network_prefix
    )


def home_of(address: Address, links: Iterable[Network]) -> Network:
    """Return the network of the home that this address is likely to be in.

    An IPv6 home has a /48 of its own making (RFC 4193), or gets a /56 from its provider (RFC
    6177): this one, if a prefix of this machine's `links` lies in it. An IPv4 address stands alone
    unless it is a private one.
    """
    bits: int = address.max_prefixlen
    if address.is_loopback:
        pass
    elif address.version == 4:
        bits = 24 if _is_in(address, LOCAL) else bits
    elif address in _UNIQUE_LOCAL:
        bits = 48
    else:
        ours = {ip_interface(f"{link[0]}/56").network for link in links if link.version == 6}
        bits = 56 if any(address in home for home in ours) else 64
    return ip_interface(f"{address}/{bits}").network


class Evictable(Protocol):
    """A connection, as far as the limit looks at it."""

    address: str  # the peer's
    last_active: float  # the time, on any one clock, when it last received or finished something

    @property
    def busy(self) -> bool:
        """Return whether its peer waits for sound."""

    @property
    def arriving(self) -> bool:
        """Return whether it is so new that its first request may still come."""


class Visitor(Evictable, Protocol):
    """A connection that can be closed."""

    def close(self, reason: str) -> None:
        """Send the peer away now."""


C = TypeVar("C", bound=Evictable)


def to_evict(connections: Collection[C], address: str, limits: Limits) -> C | None:
    """Return the connection to be closed for another from `address`, if one must be."""
    counts = Counter(one.address for one in connections)
    if counts[address] >= limits.connections_per_address:
        greediest = {address}
    elif len(connections) >= limits.connections:
        most = max(counts.values())
        greediest = {one for one, count in counts.items() if count == most}
    else:
        return None
    candidates = (one for one in connections if one.address in greediest)
    return min(candidates, key=lambda one: (one.busy, one.arriving, one.last_active))


class Admission:
    """Knows who is inside, through whatever door, and says who may come in."""

    def __init__(self, limits: Limits, proxies: tuple[str, ...] = ()) -> None:
        """Take `balancer.proxies`, too, which the configuration checked."""
        self._limits = limits
        self._allowed = AllowList(limits.networks)
        self._proxies = tuple(ip_network(one, strict=False) for one in proxies)
        self._log = RateLimitedLog(_LOGGER)
        self.inside: set[Visitor] = set()
        self._beside: set[Visitor] = set()  # of these, those of balancers for themselves

    def is_proxy(self, name: object) -> bool:
        """Tell whether a peer is a balancer, which says for whom it connects."""
        return isinstance(name, tuple) and _is_in(plain_address(name[0]), self._proxies)

    def address_of(self, sock: socket.socket, name: object) -> str | None:
        """Return the address of a peer that connected, `name` being what the socket calls it, or
        whom a balancer names; None: it may not, and its socket is closed. Raises OSError if it
        left."""
        if not isinstance(name, tuple):
            return _UNIX_PEER
        # This machine, as its own health check, or a balancer's; not whom that one names.
        own = not isinstance(name, Client) and (
            sock.getsockname()[0] == name[0] or self.is_proxy(name)
        )
        if not own and not self._allowed.admits(name[0]):
            self._log.warning(
                "network", "Refused %s: not in the networks that may connect. If it is yours,"
                " write into config.yaml: %s", name[0], self._allowed.with_home_of(name[0]),
            )  # fmt: skip
            sock.close()
            return None
        return str(plain_address(name[0]))

    def is_full_for(self, address: str) -> bool:
        """Tell whether one more from this address would cost another one its sound, or its first
        request."""
        evicted = to_evict(self.inside - self._beside, address, self._limits)
        return evicted is not None and (evicted.busy or evicted.arriving)

    def enter(self, newcomer: Visitor, name: object = None) -> None:
        """Let it in, `name` being as for `address_of`; another one is closed for it, if the limits
        want that. The looks of balancers cost nobody anything: a few of them do not count."""
        self._beside &= self.inside
        for_itself = self.is_proxy(name) and not isinstance(name, Client)
        if for_itself and len(self._beside) < _MOST_BESIDE:
            self._beside.add(newcomer)
            self.inside.add(newcomer)
            return
        evicted = to_evict(self.inside - self._beside, newcomer.address, self._limits)
        self.inside.add(newcomer)
        if evicted is not None:
            self.inside.discard(evicted)
            self._log.warning(
                "evicted", "Too many connections: one of %s made room for %s",
                *(evicted.address, newcomer.address),
            )  # fmt: skip
            evicted.close("too many connections")
