"""`wyoming-csm serve`: the server with its engines, announced, until a signal ends it."""

import asyncio
import dataclasses
import logging
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from wyoming_csm import __version__
from wyoming_csm.app import App, MakeEngines, all_engines, running
from wyoming_csm.arenas import share_arenas, trim_arenas
from wyoming_csm.config import Config, DiscoveryConfig
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.faults import DOOR, switch_of, trouble_process
from wyoming_csm.installer import install_engines
from wyoming_csm.server.addresses import Address, reachable_addresses
from wyoming_csm.server.admission import Admission
from wyoming_csm.server.agent import Agent
from wyoming_csm.server.discovery import Announcement
from wyoming_csm.server.listener import Server
from wyoming_csm.text.spoken import spoken

if TYPE_CHECKING:
    from wyoming_csm.server.http.door import HttpDoor

_LOGGER = logging.getLogger(__name__)

Work = Callable[[], Coroutine[Any, Any, None]]

_MOST_ADDRESSES = 4  # printed
_QUIET_SECONDS = 1.0  # without an answer, as in a child
AGAIN_SECONDS = 30.0  # until what failed for no reason that is known is begun again
LOOK_SECONDS = 5.0  # how soon it is seen that the network changed; a look takes a millisecond


async def serve(
    config: Config, installer: str | None = None, make: MakeEngines = all_engines
) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP probes engines and voices again. Raises ConfigError.
    `installer` is the script that installs more engines meanwhile, `make` makes those there are."""
    share_arenas()  # before there are threads
    warn_of_balancer(config)
    if (switch := switch_of(DOOR, tells=True)) is not None:
        trouble_process(switch)
    loop = asyncio.get_running_loop()
    ending, again = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    loop.add_signal_handler(signal.SIGHUP, again.set)
    async with running(config, make) as app, AsyncExitStack() as doors:
        admission = Admission(config.limits, config.balancer.proxies)
        http = _http_door(config, app, admission)
        answers = dataclasses.replace(app.answers, tell=http.tell) if http else app.answers
        server = await doors.enter_async_context(Server(config, answers, admission))
        _LOGGER.info("wyoming-csm %s listens on %s", __version__, config.uri)
        if http:
            await doors.enter_async_context(http)
            _LOGGER.info("The page, and OpenAI's API below /v1: %s", http.url)
        agent = await doors.enter_async_context(Agent(config, app.engines, admission))
        if config.voice and config.voice not in (voice.name for voice in app.engine.voices):
            _LOGGER.warning("%s: the first is the default", app.why_no_voice(config.voice))
        async with asyncio.TaskGroup() as group:
            work: list[Work] = [
                partial(_stay_findable, config, server),
                partial(_probe_when_asked, app, again),
                app.watch_voices,
                app.rehearsal.run,
                partial(_get_rules_ready, config.language),
                partial(give_memory_back, app.engine),
            ]
            if installer:
                work.append(partial(install_engines, installer, config.engines, again.set))
            behind = [group.create_task(persist(one)) for one in work]
            await ending.wait()
            if config.balancer.agent is not None:
                agent.is_draining = True
                seconds = config.balancer.drain_seconds
                _LOGGER.info("Ending: the balancer is told so first, for %g s", seconds)
                await asyncio.sleep(seconds)  # until it has asked, which nobody tells
            await asyncio.gather(server.drain(), *([http.drain()] if http else []))
            for task in behind:
                task.cancel()
    _LOGGER.info("Ended")


def warn_of_balancer(config: Config) -> None:
    """Log what is missing for a balancer to be told that this replica ends, and where everybody
    counts as one."""
    for network in config.balancer.proxies:
        if ip_network(network, strict=False).prefixlen == 0:
            _LOGGER.warning(
                "balancer.proxies: %s is everybody: who connects may name any client's address, and"
                " limits.networks keeps nobody out. Write HAProxy's address alone (docs/scale.md)",
                network,
            )
    if config.balancer.proxies and config.balancer.agent is None:
        _LOGGER.warning(
            "The balancer cannot learn that this replica ends, and sends it requests until it is"
            " gone: set balancer.agent, as 0.0.0.0:10201, and HAProxy's `agent-check agent-port"
            " 10201` (docs/scale.md)"
        )


def _http_door(config: Config, app: App, admission: Admission) -> "HttpDoor | None":
    """Make the HTTP door, if it is on: its libraries take 10 MB. Raises ConfigError."""
    if config.http.address is None:
        return None
    from wyoming_csm.server.http.door import HttpDoor

    return HttpDoor(config, app.answers, app.engines, app.look_at_voices, admission)


def announced(config: Config) -> tuple[DiscoveryConfig, bool]:
    """Return what is to be announced, and whether this server's own addresses are for people: not
    those of a replica, where it is the balancer's. Log which that is, as far as it is known."""
    settings, is_replica = config.discovery, config.balancer.is_used
    if settings.address is not None:
        host, _, port = settings.address.rpartition(":")
        _tell_address(host.strip("[]"), int(port))
        return settings, False
    if is_replica and settings.enabled:
        _LOGGER.info(
            "Not announced: a replica behind a balancer, whose address is for Home Assistant. One"
            " of them may announce that: `discovery: {address: BALANCER:PORT}`"
        )
        settings = replace(settings, enabled=False)
    return settings, not is_replica


async def _stay_findable(config: Config, server: Server) -> None:
    if not server.addresses:
        return
    settings, tells = announced(config)
    hosts, port = [host for host, _ in server.addresses], server.addresses[0][1]
    async with Announcement(settings, port) as announcement:
        await follow(hosts, port, announcement, partial(asyncio.sleep, LOOK_SECONDS), tells)


async def follow(
    hosts: Sequence[str],
    port: int,
    announcement: Announcement,
    wait: Callable[[], Awaitable[None]],
    tells: bool = True,
) -> None:
    """Log the address for people, unless it `tells` nobody as they have to know another one, and
    announce it for machines, as the network changes, for ever. `wait` ends when it is time to look
    again."""
    found: dict[Address, int] | None = None
    while True:
        before = found
        try:
            found = reachable_addresses(hosts)
        except OSError as error:  # the addresses stay as they were
            _LOGGER.debug("The network interfaces cannot be read: %s", error)
            found = found or {}
        if tells and found != before:
            _tell_addresses(list(found), port)
        if found != before or not announcement.is_complete:
            await announcement.announce(list(found))
        await wait()


async def persist(work: Work, pause: float = AGAIN_SECONDS) -> None:
    """Do what is done beside the speaking; where that fails, which nobody foresaw, log it and do it
    again after a pause in seconds: it is no reason to fall silent."""
    while True:
        task = asyncio.ensure_future(work())
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        if task.cancelled() or (fault := task.exception()) is None:
            return
        words = "What is done beside the speaking failed, and begins again in %.0f s"
        _LOGGER.error(words, pause, exc_info=fault)
        await asyncio.sleep(pause)


async def _get_rules_ready(language: str) -> None:
    """Make the patterns of spoken forms, in a thread: no first sentence waits 50 ms for them."""
    await asyncio.to_thread(spoken, "1", language)


async def give_memory_back(engine: Fallback, quiet_seconds: float = _QUIET_SECONDS) -> None:
    """Give back what answers left of memory, for ever, as soon as nobody is answered for a while.

    A soaked front process of 98 MiB had 4.5 of them less at once."""
    answered = asyncio.Event()
    engine.on_answer(answered.set)
    while True:
        await answered.wait()
        while answered.is_set() or any(one.load.share for one in engine.engines):
            answered.clear()
            await asyncio.sleep(quiet_seconds)
        trim_arenas()


async def _probe_when_asked(app: App, again: asyncio.Event) -> None:
    while True:
        await again.wait()
        again.clear()
        _LOGGER.info("Looking at engines and voices again")
        await app.look_at_voices()
        await app.engine.start()  # those that are absent or resting


def _tell_addresses(addresses: Sequence[Address], port: int) -> None:
    for address in addresses[:_MOST_ADDRESSES]:
        _tell_address(address, port)
    if not addresses:
        _LOGGER.warning("No network reaches this server yet: its address will be told here")


def _tell_address(host: object, port: int) -> None:
    _LOGGER.info("In Home Assistant: Wyoming Protocol, host %s, port %d", host, port)
