"""The command: the checks in their order, on a screen or as JSON; its exit code tells."""

import asyncio
import logging
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial

import msgspec

from wyoming_csm import __version__
from wyoming_csm.bench.command import TEXT
from wyoming_csm.bench.wyoming_server import speak
from wyoming_csm.config import Config
from wyoming_csm.doctor import installed, network, stored
from wyoming_csm.doctor.default_voice import check_default_voice
from wyoming_csm.doctor.finding import Finding, ok
from wyoming_csm.doctor.machine import Machine
from wyoming_csm.doctor.page import check_page
from wyoming_csm.doctor.speaking import SPEAK_SECONDS, Speak, check_speaking
from wyoming_csm.doctor.this_machine import ThisMachine
from wyoming_csm.errors import RequestError, WyomingCsmError
from wyoming_csm.terminal import judged, passing
from wyoming_csm.voice_state import state_of
from wyoming_csm.worker.csm.torch_facts import TorchFacts

# Asked for its time without encryption: with a wrong clock no certificate is trusted.
CLOCK_URL = "http://huggingface.co"


@dataclass(frozen=True)
class Wishes:
    """What the user asked for."""

    quick: bool = False  # without speaking
    verifies: bool = False
    asr: str | None = None  # the address of a speech-to-text server
    as_json: bool = False


def doctor(
    config: Config,
    wishes: Wishes,
    machine: Machine | None = None,
    before: Finding | None = None,
) -> int:
    """Check, print, and return the exit code: 1 if something fails, else 0.

    `before` is what was found already.
    """
    if config.log.level != "DEBUG":
        logging.disable(logging.CRITICAL)  # what is wrong is a finding
    try:
        found = asyncio.run(_run(config, wishes, machine or ThisMachine(), before))
    finally:
        logging.disable(logging.NOTSET)
    if wishes.verifies:
        found.append(_verify(config, wishes.as_json))
        _show(found[-1], wishes.as_json)
    fails, warns = (sum(one.level == level for one in found) for level in ("fail", "warn"))
    if wishes.as_json:
        document = {"version": __version__, "fails": fails, "warns": warns, "checks": found}
        print(msgspec.json.format(msgspec.json.encode(document)).decode())
    elif fails or warns:
        print(f"\n{fails} of these fail, {warns} could be better: see → for what helps.")
    else:
        print("\nAll is well.")
    return 1 if fails else 0


async def _run(
    config: Config, wishes: Wishes, machine: Machine, before: Finding | None
) -> list[Finding]:
    found = [before] if before else []
    if before:
        _show(before, wishes.as_json)
    async for one in checks(config, wishes, machine):
        passing("" if isinstance(one, Finding) else f"{one} …")
        if isinstance(one, Finding):
            found.append(one)
            _show(one, wishes.as_json)
    return found


def _show(one: Finding, as_json: bool) -> None:
    if not as_json:
        width = min(120, shutil.get_terminal_size().columns)
        judged(one.level, one.name, one.found, one.cure, width=width)


async def checks(
    config: Config, wishes: Wishes, machine: Machine, say: Speak = check_speaking
) -> AsyncIterator[Finding | str]:
    """Yield each finding, and before what takes a while what is done."""
    yield installed.check_python(machine)
    there = installed.installed_of(machine)
    yield installed.check_lock(machine, there)
    facts: TorchFacts | str | None = None
    if "torch" in there:
        yield "importing PyTorch, looking at the GPU and the weights"
        facts = installed.look_at_torch(config, machine)
    port = await network.check_port(config, machine)
    torch = installed.check_torch(machine, facts)
    yield torch
    yield installed.check_gpu(config, facts, port.ours)
    yield installed.check_flash(facts)
    yield installed.check_compiler(facts)
    weights = stored.check_weights(config, facts)
    yield weights
    coqui = stored.check_coqui(config, {"torch", "coqui-tts"} <= there.keys())
    yield coqui
    for one in stored.check_disk(config, machine, facts):
        yield one
    yield port.finding
    async for one in check_page(config, machine, port.ours):
        yield one
    yield "looking for announcements on the network"
    yield await network.check_discovery(config, machine, port.ours)
    cards = isinstance(facts, TorchFacts) and facts.cards and torch.level != "fail"
    csm_speaks = weights.level in ("ok", "warn") and bool(cards or config.csm.device == "cpu")
    judge = partial(state_of, config)
    for one in stored.check_voices(config, machine, judge, csm_speaks):
        yield one
    if config.voice is not None:
        yield check_default_voice(config.voice, config)
    yield await network.check_recogniser(wishes.asr or config.http.asr, machine)
    yield await network.check_clock(machine, CLOCK_URL)
    if wishes.quick:
        return
    if port.ours:
        yield "asking the server for a sentence"
        yield await _through_the_server(config, 1_000 + int(machine.now()) % 9_000)
    able = {"csm": weights.level == "ok" and not port.ours, "coqui": coqui.level == "ok"}
    for name in config.engines:
        if able.get(name, True):
            yield f"loading {name}, and speaking a sentence"
            yield await say(name, config)


async def _through_the_server(config: Config, number: int) -> Finding:
    """Ask for a sentence that was not said before: its `number` is another each time."""
    text = TEXT.replace("{n}", str(number))
    try:
        reply = await speak(network.reachable(config.uri), text, None, SPEAK_SECONDS)
    except RequestError as error:
        return Finding("say", "fail", f"the server: {error}", "see the server's log")
    told = f"the server: first sound {1000 * reply.ttfa:.0f} ms, RTF {reply.rtf:.2f}"
    if reply.gaps:
        cure = "see `wyoming-csm bench`; a GPU, csm.dtype: int8, or another engine is faster"
        return Finding("say", "warn", f"{told}, {len(reply.gaps)} gaps", cure)
    return ok("say", told)


def _verify(config: Config, as_json: bool) -> Finding:
    """Run `verify`, which prints what it compares."""
    from wyoming_csm.verify import require_packages

    try:
        require_packages()
        from wyoming_csm.verify.command import verify

        with redirect_stdout(sys.stderr if as_json else sys.stdout):
            code = verify(config, None, None)
    except WyomingCsmError as error:
        return Finding("verify", "fail", f"cannot run: {error}", "see above what helps")
    if code:
        cure = "put the lines above into a report, please"
        return Finding("verify", "fail", f"differs from transformers (exit code {code})", cure)
    return ok("verify", "equal to transformers")
