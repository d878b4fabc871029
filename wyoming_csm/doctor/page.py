"""Checks of the HTTP door: its port, who can open the page, with which token, under which names."""

import ipaddress
from collections.abc import AsyncIterator, Sequence

from wyoming_csm.config import LOCAL_WORD, Config, HttpConfig
from wyoming_csm.doctor.finding import Finding, ok
from wyoming_csm.doctor.machine import Machine
from wyoming_csm.doctor.network import host_of, is_alone, port_of, reachable
from wyoming_csm.errors import ConfigError
from wyoming_csm.server.admission import LOCAL
from wyoming_csm.server.info import PROGRAM


async def check_page(config: Config, machine: Machine, serving: bool) -> AsyncIterator[Finding]:
    """Look at the door if it is on; `serving`: our server runs here."""
    address = config.http.address
    if address is None:
        return
    yield await _check_port(address, machine, serving)
    from wyoming_csm.server.http.guard import Guard  # with its library, which takes a while

    try:
        guard = Guard(config.http)
    except ConfigError as error:
        cure = "correct it: a file with one line, which this user may read"
        yield Finding("token", "fail", str(error), cure)
        return
    addresses = machine.addresses(host_of(address))
    yield _check_access(config, addresses)
    if not is_alone(addresses):
        yield _check_names(config.http, guard.names)


async def _check_port(address: str, machine: Machine, serving: bool) -> Finding:
    """Look whether the address is free, or serves the page."""
    uri = f"tcp://{address}"
    ours = await machine.is_page(reachable(uri).removeprefix("tcp://"))
    if serving and ours:
        return ok("page", f"{address} answers, with the server that runs here")
    answer = await machine.ask(reachable(uri))
    if answer is not None:
        number = port_of(uri) or 0
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


def _check_access(config: Config, addresses: Sequence[str]) -> Finding:
    """Say from where the page can be opened, and whether a token is asked for."""
    port = port_of(f"tcp://{config.http.address}")
    if not addresses:
        return ok("token", "no network reaches this machine now")
    if is_alone(addresses):
        return ok("token", "none is needed: only this machine can open it")
    host = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    where = f"http://{host}:{port}/"
    if config.http.token_file is not None:
        return ok("token", f"{where} asks for it")
    if public := _public(config.limits.networks or ()):
        cure = (
            "write a word into a file and name it: `http: {token_file: FILE}`, or leave that"
            " network out of `limits.networks`"
        )
        found = f"none, and {where} is open to {public}: anybody there may make and delete voices"
        return Finding("token", "warn", found, cure)
    return ok("token", f"none: {where} is open to private networks")


def _check_names(http: HttpConfig, names: Sequence[str]) -> Finding:
    """Say under which names the page opens, and which of `http.hosts` are none."""
    for written in http.hosts:
        name = written.partition("://")[2] or written
        name = name.partition("/")[0]
        name = name if name.count(":") > 1 else name.partition(":")[0]
        if name != written:
            found = f"http.hosts: {written!r} is more than a name: no browser is let in by it"
            return Finding("names", "warn", found, f"write only {name}")
    return ok("names", f"opens by its addresses, NAME.local, {', '.join(names)}")


def _public(networks: Sequence[str]) -> str:
    """Return the first network that is not a private one; "": none is."""
    for written in networks:
        if written == LOCAL_WORD:
            continue
        network = ipaddress.ip_network(written, strict=False)
        ends = (network[0], network[-1])
        if not any(all(end in local for end in ends) for local in LOCAL):
            return written
    return ""
