"""Measures three replicas behind a real HAProxy: `script/bench replicas`.

Each replica is the server itself over a child that takes a GPU's time (or the system voice).
Callers ask for two minutes; in the middle a replica is killed with -9, later another one is asked
to end, and both come back. Then runs through the balancer and without it take turns. Prints a
table, then one line of JSON. Needs haproxy (Debian: apt-get install haproxy).
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from benchmarks.balanced import SOURCE, Balancer, Replica, balanced
from benchmarks.callers import Call, Pattern, Target, call_for
from benchmarks.fixtures.fake_child import FakeSettings
from benchmarks.record import lines_of
from benchmarks.server import free_port
from wyoming_csm import __version__
from wyoming_csm.config import BalancerConfig, Config, HttpConfig, Limits, LogConfig

_KILL_AT, _DRAIN_AT = 1 / 3, 2 / 3  # of the time
_AWAY_SECONDS = 5.0  # until an orchestrator has another one
_JIFFIES = os.sysconf("SC_CLK_TCK")


@dataclass
class Fault:
    """A replica that went: which, and when it was told to and was gone (`time.monotonic`)."""

    replica: str
    told: float = 0.0
    gone: float = 0.0
    back: float = 0.0


async def main() -> None:
    options = _parse()
    with tempfile.TemporaryDirectory() as made:
        found = await measure(Path(made), options)
    print("\n".join(lines_of(found)))
    print(json.dumps(found))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("fake", "system"), default="fake")
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--slots", type=int, default=8, help="of a replica (8)")
    parser.add_argument("--step", type=float, default=0.040, help="seconds of a step (0.040)")
    parser.add_argument(
        "--step-each", type=float, default=0.004, help="and for each sentence in it (0.004)"
    )
    parser.add_argument("--prefill", type=float, default=0.020, help="of a prompt, seconds (0.020)")
    parser.add_argument("--ahead", type=int, default=1, help="steps launched ahead (1)")
    parser.add_argument(
        "--frames-per-character", type=float, default=0.9, help="of 80 ms, of a sentence (0.9)"
    )
    parser.add_argument("--callers", type=int, default=200)
    parser.add_argument(
        "--think", type=float, default=40.0, help="seconds between, on average (40)"
    )
    parser.add_argument("--rate", type=float, default=0.0, help="texts a second, instead of that")
    parser.add_argument("--sentences", type=int, default=1, help="of a text (1)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--no-faults", action="store_true", help="nobody is killed or ended")
    parser.add_argument("--rounds", type=int, default=4, help="with and without HAProxy (4)")
    parser.add_argument("--round-seconds", type=float, default=20.0)
    return parser.parse_args()


async def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run everything; times of the result are in milliseconds where the name says so."""
    fake = None
    if options.engine == "fake":
        fake = FakeSettings(
            slots=options.slots,
            step_seconds=options.step,
            step_seconds_each=options.step_each,
            prefill_seconds=options.prefill,
            ahead=options.ahead,
            tone=True,
            frames_per_character=options.frames_per_character,
        )
    pattern = Pattern(options.callers, options.think, options.rate, options.seed, options.sentences)
    configs = [configuration(folder / f"r{n}", options.engine) for n in range(options.replicas)]
    found: dict[str, Any] = {
        "version": __version__,
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        **{name: value for name, value in vars(options).items() if name != "no_faults"},
    }
    faults: list[Fault] = []
    turns: dict[str, list[Call]] = {"balanced": [], "direct": []}
    async with balanced(configs, fake, folder) as balancer:
        through, past = _through(balancer), _past(balancer.replicas)
        await call_for(2.0, pattern, through)  # warm
        idle, used, began = _idle(), _used(balancer.pid), time.monotonic()
        async with asyncio.TaskGroup() as group:
            calling = group.create_task(call_for(options.seconds, pattern, through))
            if not options.no_faults:
                group.create_task(_go_wrong(balancer, options.seconds, faults))
        calls, took = calling.result(), time.monotonic() - began
        found["cores_idle"] = (_idle() - idle) / took
        found["balancer_cpu_ms_a_call"] = 1000 * (_used(balancer.pid) - used) / len(calls)
        for number in range(2 * options.rounds):
            name = ("balanced", "direct")[(number + number // 2) % 2]  # b d d b b d d b
            target = through if name == "balanced" else past
            turns[name] += await call_for(options.round_seconds, pattern, target)
    return found | _sums(calls, took, options, balancer, faults) | _compared(turns)


def configuration(folder: Path, engine: str) -> Config:
    """Return what a replica is configured with; `folder` is for what it stores."""
    return Config(
        uri=f"tcp://127.0.0.1:{free_port()}",
        engines=("csm",) if engine == "fake" else ("system",),
        data_dir=str(folder),
        voices=str(folder / "voices"),
        http=HttpConfig(address=f"127.0.0.1:{free_port()}"),
        balancer=BalancerConfig(agent=free_port(), proxies=(SOURCE,)),
        limits=replace(Limits(), connections=256, shutdown_seconds=60.0),
        log=LogConfig(level="ERROR"),
    )


def _through(balancer: Balancer) -> Target:
    return lambda _: ("127.0.0.1", balancer.port)


def _past(replicas: Sequence[Replica]) -> Target:
    """Share callers out evenly, as who has no balancer does."""
    ports = [replica.port for replica in replicas]
    return lambda caller: ("127.0.0.1", ports[caller % len(ports)])


async def _go_wrong(balancer: Balancer, seconds: float, faults: list[Fault]) -> None:
    killed, drained = balancer.replicas[0], balancer.replicas[1]
    began = time.monotonic()
    for at, replica, end in ((_KILL_AT, killed, killed.kill), (_DRAIN_AT, drained, drained.drain)):
        await asyncio.sleep(max(0.0, began + at * seconds - time.monotonic()))
        faults.append(fault := Fault(replica.name, time.monotonic()))
        await end()
        fault.gone = time.monotonic()
        await asyncio.sleep(_AWAY_SECONDS)
        await replica.start()
        fault.back = time.monotonic()


def _sums(
    calls: Sequence[Call],
    took: float,
    options: argparse.Namespace,
    balancer: Balancer,
    faults: Sequence[Fault],
) -> dict[str, Any]:
    served = {id(call): _server_of(call, balancer) for call in calls}
    began = min(call.asked for call in calls)
    until = faults[0].told if faults else began + took
    steady = [call for call in calls if call.asked < until]
    share = Counter(served[id(call)] for call in steady)
    fair = len(steady) / len(balancer.replicas)
    spread = max(abs(share[one.name] - fair) / fair for one in balancer.replicas)
    slots = options.slots * len(balancer.replicas)
    busy = sum(call.ended - call.first for call in steady if call.first is not None)
    found: dict[str, Any] = {
        "calls": len(calls),
        "calls_a_second": len(calls) / took,
        "seconds_of_sound": sum(call.bytes for call in calls) / 48_000,
        "outcomes": dict(Counter(call.outcome for call in calls)),
        "steady_first_sound_ms": firsts(steady),
        "first_sound_ms": firsts(calls),
        "utilisation": busy / (slots * (until - began)),
        "steady_by_replica": dict(sorted(share.items())),
        "spread": spread,
    }
    for fault, what in zip(faults, ("killed", "drained"), strict=False):
        cut = [c for c in calls if c.outcome != "whole" and served[id(c)] == fault.replica]
        found[what] = {
            "replica": fault.replica,
            "at_s": fault.told - began,
            "gone_after_s": fault.gone - fault.told,
            "back_after_s": fault.back - fault.told,
            "in_flight": sum(
                served[id(c)] == fault.replica and c.asked <= fault.gone and fault.told < c.ended
                for c in calls
            ),
            "cut": len(cut),
            "ended_after_s_most": max((c.ended - fault.told for c in cut), default=0.0),
        }
    gone = {fault.replica for fault in faults}
    found["cut_elsewhere"] = sum(
        call.outcome != "whole" and served[id(call)] not in gone for call in calls
    )
    return found


def _server_of(call: Call, balancer: Balancer) -> str:
    """Return which replica served a call, or "" if none did; each is asked about once, in order."""
    lines = balancer.served.get(call.source)
    return lines.popleft() if lines else ""


def _compared(turns: dict[str, list[Call]]) -> dict[str, Any]:
    if not turns["direct"]:
        return {}
    through, past = firsts(turns["balanced"]), firsts(turns["direct"])
    return {
        "balanced_first_sound_ms": through,
        "direct_first_sound_ms": past,
        "balanced_less_direct_ms": {name: through[name] - past[name] for name in through},
        "turns_cut": sum(c.outcome != "whole" for calls in turns.values() for c in calls),
    }


def firsts(calls: Sequence[Call]) -> dict[str, float]:
    """Return milliseconds from the question to the first sound."""
    found = sorted(1000 * (call.first - call.asked) for call in calls if call.first is not None)
    cuts = statistics.quantiles(found, n=100, method="inclusive")
    return {f"p{percent}": cuts[percent - 1] for percent in (50, 95, 99)}


def _used(process: int) -> float:
    """Return the seconds of processor that a process has used."""
    words = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _JIFFIES


def _idle() -> float:
    """Return the seconds for which the machine's cores were idle, all together."""
    words = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    return int(words[4]) / _JIFFIES


if __name__ == "__main__":
    asyncio.run(main())
