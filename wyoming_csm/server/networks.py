"""Which addresses may connect: the protocol has no passwords, so the door looks at the network."""

import logging
import time
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)

from wyoming_csm.errors import ConfigError

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
_REREAD_SECONDS = 10.0  # prefixes change: an address that seems strange may be a neighbour's


def plain_address(host: str) -> IPv4Address | IPv6Address:
    """A peer's address without scope; an IPv4 one also where it came over an IPv6 socket."""
    address = ip_address(host.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def on_link_networks() -> tuple[Network, ...]:
    """The prefixes of this machine's own interfaces, now."""
    import ifaddr

    found: list[Network] = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            host = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            if ip.network_prefix:  # 0 would be everybody
                found.append(ip_interface(f"{host}/{ip.network_prefix}").network)
    return tuple(found)


class AllowList:
    """The networks of the configuration, or the local ones and those on this machine's links."""

    def __init__(self, networks: tuple[str, ...] | None) -> None:
        """Raises ConfigError."""
        self._links: tuple[Network, ...] = ()
        self._read_at = float("-inf")
        self._with_links = networks is None
        self._fixed: tuple[Network, ...] = LOCAL if networks is None else _parse(networks)

    def admits(self, host: str) -> bool:
        """Whether a peer of this numeric address may connect."""
        address = plain_address(host)
        if any(address in network for network in (*self._fixed, *self._links)):
            return True
        now = time.monotonic()
        if not self._with_links or now < self._read_at + _REREAD_SECONDS:
            return False
        self._read_at = now
        try:
            self._links = on_link_networks()
        except OSError as error:  # no descriptor left to ask with: as they were
            _LOGGER.debug("The network interfaces cannot be read: %s", error)
        return any(address in network for network in self._links)


def _parse(networks: tuple[str, ...]) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(text.strip(), strict=False) for text in networks)
    except ValueError as error:
        raise ConfigError(f"limits.networks: {error}") from error
