"""All that is found for one card and one type of weights, in a process that sees that card.

Prints a line of JSON last; what it does meanwhile goes to standard error.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.blueprint import engine, generated, kernels
from benchmarks.blueprint.cubin import Usage
from benchmarks.blueprint.watching import Watch
from benchmarks.models import FULL_SIZE
from wyoming_csm.config import CsmConfig
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.worker.csm.device import choose_precision


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", default="auto", help="as csm.dtype")
    parser.add_argument("--cache", type=Path, required=True, help="folder of the compiler's files")
    parser.add_argument("--own-kernels", action="store_true", help="those of this engine, too")
    options = parser.parse_args()
    device = torch.device("cuda:0")
    types = choose_precision(CsmConfig(dtype=options.dtype), device)
    major, minor = torch.cuda.get_device_capability()
    found: dict[str, Any] = {
        "card": torch.cuda.get_device_name(),
        "capability": f"sm_{major}{minor}",
        "weights": str(types),
        "torch": torch.__version__,
        "triton": metadata.version("triton"),
    }
    watch = Watch()
    found |= frames(engine.run(types, watch, options.cache, _tell), watch)
    _tell("building the compiler's kernels")
    sources: dict[str, str] = {}
    for each in watch.compiled:
        sources |= generated.kernels(each.code)
    found["kernels"] = resources(kernels.generated(sources).values())
    if options.own_kernels:
        _tell("building our own")
        with engine.fakes():
            built = kernels.ours(shapes(), types.compute, device)
        found["own_kernels"] = resources([each.usage for each in built])
        found["own_kernels"]["tensor_cores"] = sum(each.tensor_cores for each in built)
        worst = max(built, key=lambda each: each.usage.stack)
        found["own_kernels"]["worst"] = {"what": worst.what, **asdict(worst.usage)}
    print(json.dumps(found), flush=True)


def frames(found: engine.Found, watch: Watch) -> dict[str, Any]:
    """What a frame launches, by its parts and as graphs; who computes attention where."""
    parts = {
        f"{each.part}, {_rows(each.rows)}": generated.launches(each.code).total()
        for each in reversed(watch.compiled)
    }
    one, four = (
        {graph.what: graph.launched for graph in found.graphs if graph.rows == rows}
        for rows in (1, engine.SLOTS)
    )
    attention: dict[str, Counter[str]] = dict(found.attention)
    for graph in found.graphs:
        attention.setdefault(f"{graph.what}, captured", Counter()).update(graph.attention)
    return {
        "launches_a_frame": _of_codes(one),
        f"launches_a_frame_of_{engine.SLOTS}": _of_codes(four),
        "launches": parts,
        "launches_codec": one["sound"].total(),
        "launches_around_graphs": found.around,
        "launches_not_compiled": found.uncompiled,
        "attention": {where: sorted(counts) for where, counts in attention.items() if counts},
        "graphs": len(found.graphs),
        "nodes": sum(graph.launched.total() for graph in found.graphs),
        "compilations": len(watch.compiled),
        "recompiled_later": found.recompiled,
    }


def resources(usages: Iterable[Usage]) -> dict[str, int]:
    """Return the most that one of many kernels takes, and how many spill registers."""
    every = list(usages)
    return {
        "built": len(every),
        "spill": sum(each.stack > 0 for each in every),
        "stack_bytes": max(each.stack for each in every),
        "registers": max(each.registers for each in every),
        "shared_bytes": max(each.shared for each in every),
    }


def shapes() -> list[tuple[int, int]]:
    """Return (out_features, in_features) of all matrices that may be quantised."""
    with torch.device("meta"):
        model = CsmModel(FULL_SIZE)
    linears = (module for module in model.modules() if isinstance(module, nn.Linear))
    return sorted({(linear.out_features, linear.in_features) for linear in linears})


def _of_codes(launched: dict[str, Counter[str]]) -> int:
    """Count the launches of a frame's codes and backbone step, as their graphs hold them."""
    return launched["decode_frame"].total() + launched["backbone_step"].total()


def _rows(rows: int) -> str:
    return "one row" if rows == 1 else "several"


def _tell(line: str) -> None:
    print(f"   {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
