"""A real mDNS browser on this machine sees the announcement come and go; failures are warnings."""

import asyncio
import gc
import ipaddress
import logging
import secrets
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from msgspec.structs import replace
from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from tests.server.clients import logged
from wyoming_csm.config import DiscoveryConfig
from wyoming_csm.server.addresses import reachable_addresses
from wyoming_csm.server.discovery import Announcement, instance_name

pytestmark = pytest.mark.slow

_SERVICE = "_wyoming._tcp.local."
_MDNS = "224.0.0.251"


def multicast_works(address: str) -> bool:
    """Whether a datagram sent to the mDNS group on `address` comes back."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        try:
            receiver.bind(("", 0))
            member = socket.inet_aton(_MDNS) + socket.inet_aton(address)
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            receiver.settimeout(1.0)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
            sender.sendto(b"?", (_MDNS, receiver.getsockname()[1]))
            return receiver.recv(1) == b"?"
        except OSError:
            return False


@pytest.fixture(params=["loopback", "network"])
def interface(request: pytest.FixtureRequest) -> str:
    if request.param == "loopback":
        address = "127.0.0.1"
    else:
        found = [str(a) for a in reachable_addresses(["0.0.0.0"])]
        if not found:
            pytest.skip("no network")
        address = found[0]
    if not multicast_works(address):
        pytest.skip(f"no multicast on {address}")
    return address


@pytest.fixture
def loopback() -> str:
    if not multicast_works("127.0.0.1"):
        pytest.skip("no multicast on 127.0.0.1")
    return "127.0.0.1"


def mdns_sockets() -> list[socket.socket]:
    """This process's open ones."""
    sockets = [
        s for s in gc.get_objects() if issubclass(type(s), socket.socket) and s.fileno() >= 0
    ]
    return [s for s in sockets if s.family == socket.AF_INET and s.getsockname()[1] == 5353]


class Browser:
    """What Home Assistant does: it watches the service type and looks names up."""

    def __init__(self, interface: str, instance: str) -> None:
        self.added = asyncio.Event()
        self.removed = asyncio.Event()
        self._name = f"{instance}.{_SERVICE}"
        self._zeroconf = AsyncZeroconf(interfaces=[interface])
        self._browser = AsyncServiceBrowser(
            self._zeroconf.zeroconf, _SERVICE, handlers=[self._changed]
        )

    def _changed(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if name == self._name:
            removed = state_change is ServiceStateChange.Removed
            (self.removed if removed else self.added).set()

    async def look_up(self) -> AsyncServiceInfo:
        info = await self._zeroconf.async_get_service_info(_SERVICE, self._name, 5_000)
        assert info is not None
        return info

    async def close(self) -> None:
        await self._browser.async_cancel()
        await self._zeroconf.async_close()


@asynccontextmanager
async def browsing(interface: str, instance: str) -> AsyncGenerator[Browser]:
    browser = Browser(interface, instance)
    try:
        yield browser
    finally:
        await browser.close()


@asynccontextmanager
async def announce(
    settings: DiscoveryConfig, port: int, host: str, interfaces: Sequence[str] = ()
) -> AsyncGenerator[str | None]:
    async with Announcement(settings, port, interfaces=interfaces) as announcement:
        yield await announcement.announce(list(reachable_addresses([host])))


def named() -> DiscoveryConfig:
    return DiscoveryConfig(name=f"test-{secrets.token_hex(4)}")


async def test_it_is_seen_and_says_goodbye(interface: str) -> None:
    settings = named()
    assert settings.name is not None
    async with browsing(interface, settings.name) as browser, asyncio.timeout(15):
        async with announce(settings, 10_201, interface) as name:
            assert name == settings.name
            await browser.added.wait()
            info = await browser.look_up()
            assert info.port == 10_201
            assert info.parsed_addresses() == [interface]
            assert not browser.removed.is_set()
        await browser.removed.wait()


async def test_a_balancer_is_announced_instead(loopback: str) -> None:
    settings = replace(named(), address="192.0.2.7:10300")
    assert settings.name is not None
    async with (
        browsing(loopback, settings.name) as browser,
        announce(settings, 10_209, loopback) as name,
    ):
        assert name == settings.name
        info = await browser.look_up()
        assert info.port == 10_300
        assert info.parsed_addresses() == ["192.0.2.7"]


async def test_what_is_announced_later_replaces_what_was(loopback: str) -> None:
    """No goodbye is sent between: Home Assistant would take the server for gone."""
    first, second = map(ipaddress.ip_address, (loopback, "127.0.0.2"))
    async with Announcement(named(), 10_208, interfaces=[loopback]) as announcement:
        name = await announcement.announce([first])
        assert name is not None
        async with browsing(loopback, name) as browser, asyncio.timeout(15):
            await browser.added.wait()
            assert await announcement.announce([second]) == name
            await asyncio.sleep(1.2)  # what is replaced stays for 1 s (RFC 6762, 10.2)
            assert (await browser.look_up()).parsed_addresses() == [str(second)]
            assert not browser.removed.is_set()
            await announcement.__aexit__(None, None, None)
            await browser.removed.wait()


async def test_a_taken_name_gets_a_number(loopback: str, caplog: pytest.LogCaptureFixture) -> None:
    settings = named()
    async with (
        announce(settings, 10_201, loopback) as first,
        announce(settings, 10_202, loopback) as second,
    ):
        assert first == settings.name
        assert second is not None
        assert second == f"{settings.name}-2"
        assert [r.levelno for r in caplog.records if "taken" in r.message] == [logging.WARNING]
        async with browsing(loopback, second) as browser:
            assert (await browser.look_up()).port == 10_202


async def test_a_taken_name_is_seen_beside_other_programs_on_the_port(loopback: str) -> None:
    """An answer to one address reaches one of the port's sockets: the last that was opened."""
    settings = named()
    async with announce(settings, 10_201, loopback), AsyncExitStack() as others:
        async with asyncio.TaskGroup() as tasks:
            second = tasks.create_task(
                others.enter_async_context(announce(settings, 10_202, loopback))
            )
            for _ in range(8):
                await asyncio.sleep(0.1)
                another = AsyncZeroconf(interfaces=[loopback])
                others.push_async_callback(another.async_close)
        assert second.result() == f"{settings.name}-2"


async def test_behind_a_wildcard_the_real_addresses_are_announced(loopback: str) -> None:
    expected = reachable_addresses(["::"])
    if not expected:
        pytest.skip("no network")
    settings = named()
    async with announce(settings, 10_203, "::", interfaces=[loopback]) as name:
        assert name is not None
        async with browsing(loopback, name) as browser:
            info = await browser.look_up()
            assert set(info.parsed_addresses()) == set(map(str, expected))


async def test_cancelled_while_it_registers_it_leaves_nothing_open(loopback: str) -> None:
    async def register() -> None:
        async with announce(named(), 10_204, loopback):
            pytest.fail("registering takes longer than a turn of the loop")

    task = asyncio.create_task(register())
    await asyncio.sleep(0.1)
    assert mdns_sockets()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not mdns_sockets()


# zeroconf leaves the socket open that it could not set up
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_a_failure_is_one_warning_and_the_server_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Announcement(named(), 10_205, interfaces=["203.0.113.9"]) as announcement:
        for _ in range(2):
            assert await announcement.announce([ipaddress.ip_address("127.0.0.1")]) is None
        assert not announcement.is_complete
    (warning,) = [r for r in logged(caplog) if r.levelno >= logging.WARNING]
    assert warning.levelno == logging.WARNING
    assert "by hand" in warning.message
    assert warning.exc_info is None
    gc.collect()


async def test_nothing_is_announced_when_off(caplog: pytest.LogCaptureFixture) -> None:
    async with Announcement(DiscoveryConfig(enabled=False), 10_207) as announcement:
        assert await announcement.announce([ipaddress.ip_address("127.0.0.1")]) is None
        assert announcement.is_complete
    assert logged(caplog) == []


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("kitchen", "kitchen"),
        ("my.server\x00 ", "my-server"),
        ("ä" * 60, "ä" * 29),
        ("", "wyoming-csm"),
    ],
)
def test_an_instance_name_is_one_label_with_room_for_a_number(wanted: str, name: str) -> None:
    assert instance_name(wanted) == name
