"""`wyoming-csm serve`: the engines behind the door, announced, until a signal ends it."""

import asyncio
import logging
import signal

from wyoming_csm import __version__
from wyoming_csm.compose import House, running
from wyoming_csm.config import Config, DiscoveryConfig
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
        host, port = server.addresses[0] if server.addresses else ("", None)
        await _tell_address(config, host, port)
        if config.voice and config.voice not in (voice.name for voice in house.engine.voices):
            _LOGGER.warning("There is no voice %r (yet): the first is the default", config.voice)
        async with asyncio.TaskGroup() as group:
            behind = [
                group.create_task(_stay_announced(config.discovery, host, port)),
                group.create_task(_probe_when_asked(house, again)),
                group.create_task(house.keep_looking_at_voices()),
            ]
            await ending.wait()
            _LOGGER.info("Ending: replies in flight are finished first")
            await server.drain()
            for task in behind:
                task.cancel()


async def _stay_announced(settings: DiscoveryConfig, host: str, port: int | None) -> None:
    """Until cancelled; then the goodbye. Registering takes seconds, which nobody waits for."""
    async with announce(settings, port, host) as name:
        if name is not None:
            _LOGGER.info("Announced as %r: Home Assistant finds it by itself", name)
        await asyncio.Event().wait()


async def _probe_when_asked(house: House, again: asyncio.Event) -> None:
    while True:
        await again.wait()
        again.clear()
        _LOGGER.info("Looking at engines and voices again")
        await house.probe_again()


async def _tell_address(config: Config, host: str, port: int | None) -> None:
    _LOGGER.info("wyoming-csm %s listens on %s", __version__, config.uri)
    if port is None:
        return
    found = await reachable_addresses(host)
    for address in found[:4]:
        _LOGGER.info("In Home Assistant: Wyoming Protocol, host %s, port %d", address, port)
