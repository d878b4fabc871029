"""Checks of the network: the port, what is announced, the recogniser, the clock."""

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


class Port(NamedTuple):
    """What was found at the configured address."""

    finding: Finding
    ours: bool  # a server of ours answers there


async def check_port(config: Config, machine: Machine) -> Port:
    """Look whether the configured address is free, or served by us."""
    uri = config.uri
    number = _port_of(uri)
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


async def check_http(address: str, machine: Machine, serving: bool) -> Finding:
    """Look whether the address of the page is free; or serves it; `serving`: our server runs."""
    uri = f"tcp://{address}"
    ours = await machine.is_page(reachable(uri).removeprefix("tcp://"))
    if serving and ours:
        return ok("page", f"{address} answers, with the server that runs here")
    answer = await machine.ask(reachable(uri))
    if answer is not None:
        number = _port_of(uri) or 0
        who = f"another {PROGRAM}" if ours else machine.holder(number) or "another program"
        if answer.wyoming:
            who = f"{answer.program} (it speaks Wyoming, no HTTP)"
        cure = f"end {who}, or take another: `http: {{address: 0.0.0.0:{number + 1}}}`"
        return Finding("page", "fail", f"{address} is taken by {who}", cure)
    if serving:
        cure = "start the server again: it was started without it, or see its log"
        return Finding("page", "fail", f"nothing answers at {address}", cure)
    if why := await machine.why_not(uri):
        return Finding("page", "fail", why, "correct `http.address` (or --http)")
    return ok("page", f"{address} is free")


def _port_of(uri: str) -> int | None:
    return int(uri.rpartition(":")[2]) if uri.startswith("tcp://") else None


def reachable(uri: str) -> str:
    """Return the address at which a server is asked that listens at `uri`."""
    for anywhere, here in (("tcp://0.0.0.0:", "tcp://127.0.0.1:"), ("tcp://[::]:", "tcp://[::1]:")):
        if uri.startswith(anywhere):
            return here + uri.removeprefix(anywhere)
    return uri


async def check_discovery(config: Config, machine: Machine, serving: bool) -> Finding:
    """Look for our announcement as another machine does; without a server, whether anything
    announced would come through."""
    port, announced = _port_of(config.uri), config.discovery.address
    if not config.discovery.enabled or port is None:
        return Finding("discovery", "skip", "not announced: `discovery.enabled`, or a Unix socket")
    if announced is not None:
        port = _port_of(f"tcp://{announced}")
    elif config.balancer.is_used:
        found = "not announced: a replica behind a balancer (`discovery.address` announces that)"
        return Finding("discovery", "skip", found)
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
        cure = "let it listen on all addresses: `uri: tcp://0.0.0.0:10200`"
        return Finding("discovery", "warn", f"{told}: only this machine can reach that", cure)
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
