"""`wyoming-csm serve`: the engines behind the door, announced, until a signal ends it."""

import asyncio
import logging
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from wyoming_csm import __version__
from wyoming_csm.compose import House, running
from wyoming_csm.config import Config
from wyoming_csm.server.discovery import announce, reachable_addresses
from wyoming_csm.server.listener import Server

_LOGGER = logging.getLogger(__name__)


async def serve(config: Config) -> None:
    """Until SIGTERM or SIGINT; SIGHUP probes engines and voices again. Raises ConfigError."""
    loop = asyncio.get_running_loop()
    ending, again = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    loop.add_signal_handler(signal.SIGHUP, again.set)
    async with running(config) as house, Server(config, house.engine) as server:
        port = server.addresses[0][1] if server.addresses else None
        host = server.addresses[0][0] if server.addresses else ""
        await _tell_address(config, host, port)
        if config.voice and config.voice not in (voice.name for voice in house.engine.voices):
            _LOGGER.warning("There is no voice %r (yet): the first is the default", config.voice)
        async with announce(config.discovery, port, host) as name:
            if name is not None:
                _LOGGER.info("Announced as %r: Home Assistant finds it by itself", name)
            async with _in_background(house, again):
                await ending.wait()
            _LOGGER.info("Ending: replies in flight are finished first")
            await server.drain()


@asynccontextmanager
async def _in_background(house: House, again: asyncio.Event) -> AsyncGenerator[None]:
    async def probe_when_asked() -> None:
        while True:
            await again.wait()
            again.clear()
            _LOGGER.info("Looking at engines and voices again")
            await house.probe_again()

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(probe_when_asked()),
            group.create_task(house.keep_looking_at_voices()),
        ]
        yield
        for task in tasks:
            task.cancel()


async def _tell_address(config: Config, host: str, port: int | None) -> None:
    _LOGGER.info("wyoming-csm %s listens on %s", __version__, config.uri)
    if port is None:
        return
    found = await reachable_addresses(host)
    for address in found[:4]:
        _LOGGER.info("In Home Assistant: Wyoming Protocol, host %s, port %d", address, port)
