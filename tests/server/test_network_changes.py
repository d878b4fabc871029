"""The network comes, changes and goes: addresses made up here; in namespaces, for real."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import ifaddr
import pytest

from tests.server.clients import logged
from tests.server.test_addresses import adapter, have
from wyoming_csm.config import BalancerConfig, Config, DiscoveryConfig
from wyoming_csm.serve import announced, follow
from wyoming_csm.server.addresses import Address
from wyoming_csm.server.discovery import Announcement


class Looks:
    """A look comes when the test says so; it learns when it was over."""

    def __init__(self) -> None:
        self.looked = asyncio.Event()
        self.told = asyncio.Event()

    async def wait(self) -> None:
        self.looked.set()
        await self.told.wait()
        self.told.clear()

    async def tell(self) -> None:
        self.looked.clear()
        self.told.set()
        await self.looked.wait()


class NotedAnnouncement(Announcement):
    """Only notes what it was to become; it fails as often as it is told."""

    def __init__(self) -> None:
        super().__init__(DiscoveryConfig(), 10_200)
        self.became: list[list[str]] = []
        self.fails = 0

    @property
    def is_complete(self) -> bool:
        return bool(self.became and self.became[-1]) and not self.fails

    async def announce(self, addresses: Sequence[Address]) -> str | None:
        self.fails = max(0, self.fails - 1) if self.became else self.fails
        self.became.append([str(address) for address in addresses])
        return None


@asynccontextmanager
async def following(
    host: str = "0.0.0.0", fails: int = 0, tells: bool = True
) -> AsyncGenerator[tuple[Looks, NotedAnnouncement]]:
    looks, announcement = Looks(), NotedAnnouncement()
    announcement.fails = fails
    task = asyncio.create_task(follow([host], 10_200, announcement, looks.wait, tells))
    try:
        await looks.looked.wait()
        yield looks, announcement
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_what_is_announced_and_printed_follows(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    have(monkeypatch, adapter("lo", "127.0.0.1"))
    async with following() as (looks, announcement):
        have(monkeypatch, adapter("fake0", "192.168.1.5"))
        await looks.tell()
        have(monkeypatch, adapter("fake0", "192.168.1.6"), adapter("fake1", "10.0.0.6"))
        await looks.tell()
        await looks.tell()  # for nothing
        have(monkeypatch)
        await looks.tell()
    several = ["192.168.1.6", "10.0.0.6"]
    assert announcement.became == [[], ["192.168.1.5"], several, []]
    none = "No network reaches this server yet: its address will be told here"
    assert [record.getMessage() for record in logged(caplog)] == [
        none,
        *(
            f"In Home Assistant: Wyoming Protocol, host {address}, port 10200"
            for address in ["192.168.1.5", *several]
        ),
        none,
    ]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, []),
        ({"enabled": False}, []),
        ({"address": "192.168.1.10:10201"}, ["host 192.168.1.10, port 10201"]),
        ({"address": "[fd00::9]:10200"}, ["host fd00::9, port 10200"]),
    ],
)
async def test_a_replica_s_own_address_is_not_the_one_for_people(
    settings: dict[str, Any],
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    have(monkeypatch, adapter("fake0", "192.168.1.5"))
    config = Config(
        discovery=DiscoveryConfig(**settings), balancer=BalancerConfig(proxies=("192.168.1.10",))
    )
    discovery, tells = announced(config)
    assert discovery.enabled == ("address" in settings)
    async with following(tells=tells) as (_, announcement):
        pass
    assert announcement.became == [["192.168.1.5"]]
    said = [record.getMessage() for record in logged(caplog)]
    assert [line.partition("Wyoming Protocol, ")[2] for line in said if "In Home A" in line] == told
    assert ("Not announced" in "".join(said)) == (settings == {})


async def test_the_same_address_on_another_link_is_another_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sockets belong to a link: one that was plugged in again sends nothing to the old ones."""
    have(monkeypatch, adapter("fake0", "192.168.1.5", index=4))
    async with following() as (looks, announcement):
        have(monkeypatch, adapter("fake0", "192.168.1.5", index=5))
        await looks.tell()
    assert announcement.became == [["192.168.1.5"]] * 2


async def test_what_failed_is_tried_again_at_the_next_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    have(monkeypatch, adapter("fake0", "192.168.1.5"))
    async with following(fails=2) as (looks, announcement):
        for _ in range(4):
            await looks.tell()
    assert announcement.became == [["192.168.1.5"]] * 3


async def test_without_descriptors_all_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left() -> None:
        raise OSError("Too many open files")

    have(monkeypatch, adapter("fake0", "192.168.1.5"))
    async with following() as (looks, announcement):
        monkeypatch.setattr(ifaddr, "get_adapters", none_left)
        await looks.tell()
    assert announcement.became == [["192.168.1.5"]]
