"""Checks of the network: the port of Wyoming, what is announced, the recogniser, the clock."""

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

from wyoming_csm.config import Config
from wyoming_csm.doctor.finding import Finding, Level, ok
from wyoming_csm.doctor.machine import Machine
from wyoming_csm.server.info import PROGRAM
from wyoming_csm.transcription import is_address

_SKEWED, _WRONG = 60.0, 86_400.0  # seconds of the clock: certificates live for days
_BY_HAND = (
    "add it in Home Assistant by hand (Settings, Devices, Add, Wyoming Protocol, with this"
    " machine's address and the port)"
)
_MULTICAST = "a network with multicast is needed (Docker: network_mode: host; no guest Wi-Fi), or "
_ON_ALL = "let it listen on all addresses: `uri: tcp://0.0.0.0:10200`"


class Port(NamedTuple):
    """What was found at the configured address."""

    finding: Finding
    ours: bool  # a server of ours answers there


async def check_port(config: Config, machine: Machine) -> Port:
    """Look whether the configured address is free, or served by us."""
    uri = config.uri
    number = port_of(uri)
    answer = await machine.ask(reachable(uri))
    if answer is not None and answer.program == PROGRAM:
        return Port(ok("port", f"{uri} is served by {PROGRAM} {answer.version}"), True)
    if answer is not None:
        who = answer.program or machine.holder(number or 0) or "another program"
        cure = f"end {who}, or serve elsewhere: `uri: tcp://0.0.0.0:{(number or 10_200) + 1}`"
        return Port(Finding("port", "fail", f"{uri} is taken by {who}", cure), False)
    if why := await machine.why_not(uri):
        return Port(Finding("port", "fail", why, "correct `uri` (or --uri)"), False)
    return Port(ok("port", f"{uri} is free"), False)


def port_of(uri: str) -> int | None:
    """Return the port of a TCP address; None: it is a Unix socket."""
    return int(uri.rpartition(":")[2]) if uri.startswith("tcp://") else None


def host_of(uri: str) -> str:
    """Return the host of a TCP address, as names are looked up."""
    return uri.removeprefix("tcp://").rpartition(":")[0].strip("[]")


def is_alone(addresses: Sequence[str]) -> bool:
    """Return whether nobody but this machine reaches them."""
    return all(ipaddress.ip_address(one.partition("%")[0]).is_loopback for one in addresses)


def reachable(uri: str) -> str:
    """Return the address at which a server is asked that listens at `uri`."""
    for anywhere, here in (("tcp://0.0.0.0:", "tcp://127.0.0.1:"), ("tcp://[::]:", "tcp://[::1]:")):
        if uri.startswith(anywhere):
            return here + uri.removeprefix(anywhere)
    return uri


async def check_discovery(config: Config, machine: Machine, serving: bool) -> Finding:
    """Look for our announcement as another machine does; without a server, whether anything
    announced would come through."""
    port, announced = port_of(config.uri), config.discovery.address
    if not config.discovery.enabled or port is None:
        return Finding("discovery", "skip", "not announced: `discovery.enabled`, or a Unix socket")
    if announced is not None:
        port = port_of(f"tcp://{announced}")
    elif config.balancer.is_used:
        found = "not announced: a replica behind a balancer (`discovery.address` announces that)"
        return Finding("discovery", "skip", found)
    elif (own := machine.addresses(host_of(config.uri))) and is_alone(own):
        found = f"not looked for: only this machine can reach {config.uri}"
        return Finding("discovery", "skip", found, _ON_ALL)
    try:
        if not serving:
            if await machine.hears_itself():
                return ok("discovery", "multicast works; no server is announced now")
            found = "nothing that is announced here comes back"
            return Finding("discovery", "fail", found, _MULTICAST + _BY_HAND)
        seen = [one for one in await machine.announced() if one.port == port]
    except OSError as error:
        found = f"no multicast here: {error.strerror or error}"
        return Finding("discovery", "fail", found, _MULTICAST + _BY_HAND)
    if not seen:
        found = f"no announcement of port {port} is seen on this network"
        return Finding("discovery", "fail", found, _MULTICAST + _BY_HAND)
    told = "; ".join(f"{one.name!r} at {', '.join(one.addresses)} port {one.port}" for one in seen)
    if all(address.startswith("127.") for one in seen for address in one.addresses):
        return Finding("discovery", "warn", f"{told}: only this machine can reach that", _ON_ALL)
    return ok("discovery", told)


async def check_recogniser(uri: str | None, machine: Machine) -> Finding:
    """Look at the speech-to-text server that tells the words of recordings."""
    if uri is None:
        return Finding("recogniser", "skip", "none is named: `http.asr`, or --asr tcp://HOST:10300")
    if not is_address(uri):
        cure = "write it as tcp://192.168.1.5:10300"
        return Finding("recogniser", "fail", f"{uri} is no address of a server", cure)
    answer = await machine.ask(uri)
    cure = "start it, or correct its address and port (Home Assistant's Whisper app: 10300)"
    if answer is None:
        return Finding("recogniser", "fail", f"nobody answers at {uri}", cure)
    if not answer.recognises:
        who = answer.program or "what answers there"
        return Finding("recogniser", "fail", f"{uri}: {who} is no speech-to-text server", cure)
    return ok("recogniser", f"{uri}: {answer.program}")


async def check_clock(machine: Machine, url: str) -> Finding:
    """Hold this machine's clock against that of a server on the internet."""
    theirs = await machine.date_of(url)
    if theirs is None:
        return Finding("clock", "skip", f"{url} cannot be reached to compare it")
    off = machine.now() - theirs
    if abs(off) < _SKEWED:
        return ok("clock", f"within {max(2.0, abs(off)):.0f} s of {url}")
    level: Level = "fail" if abs(off) >= _WRONG else "warn"
    told = f"{abs(off) / 60:.0f} min" if abs(off) < _WRONG else f"{abs(off) / 86_400:.0f} days"
    cure = "set it: `timedatectl set-ntp true` (downloads fail with a clock that is wrong)"
    return Finding("clock", level, f"{told} {'ahead' if off > 0 else 'behind'} of {url}", cure)
