"""All that a GPU can show, in ten minutes: its tests, then every measurement, and the record.

`script/bench --gpu` needs nothing installed beside Python, torch and transformers where
`script/bench --pack` put the rest. What does not fit into the time is left out and named.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks import models, suite
from benchmarks.record import ROOT
from benchmarks.suite import Step, engine

_SECONDS = 570  # of ten minutes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="on the CPU, with a tiny model")
    parser.add_argument("--seconds", type=float, default=_SECONDS)
    parser.add_argument("--dtypes", default="bfloat16,int8,fp8,int4", help="the first has rivals")
    parser.add_argument("--only", default="", help="steps whose names have one of these, as a,b")
    options = parser.parse_args()
    began = time.monotonic()
    if not options.tiny and not torch.cuda.is_available():
        raise SystemExit("No CUDA GPU is here.")
    with tempfile.TemporaryDirectory() as made:
        model = "tiny" if options.tiny else "full"
        folder = models.make(model, Path(made) / "csm")
        where: tuple[str, ...] = ("--model", model, "--checkpoint", str(folder))
        where += ("--device", "cpu" if options.tiny else "cuda")
        data = Path(made) / "data"
        steps = all_steps(options.dtypes.split(","), where, data, tiny=options.tiny)
        wanted = options.only.split(",")
        steps = [step for step in steps if any(name in step.name for name in wanted)]
        left = options.seconds - (time.monotonic() - began)
        command = " ".join(("script/bench --gpu", *sys.argv[1:]))
        suite.run(steps, command, record=not options.tiny, seconds=left)


def all_steps(dtypes: list[str], where: tuple[str, ...], data: Path, *, tiny: bool) -> list[Step]:
    """Return the steps, the most important first; `data`: for what one compiles for all.

    Most tests come last: compiling for them takes minutes. They have a run of their own in
    `--only tests`.
    """
    graphs = ROOT / "tests" / "test_gpu_pipeline.py"
    tests = [path for path in sorted((ROOT / "tests").glob("test_gpu*.py")) if path != graphs]
    compiled = ("--cache", str(data / "compiled" / "cuda-0"))  # as the child has it
    served = (*where, "--data", str(data), "--dtype")
    batches, few, crowds, rivals = "1,2,4,8,16,32", "1,32", "32,64,128,192,256", "all"
    if tiny:
        batches, few, crowds, rivals = "1,2", "1", "2,4", "eager"
    where += compiled
    frames = "12" if tiny else "100"  # fewer of the rivals', which are slower
    alone = (*where, "--rivals", "none", "--frames", frames, "--dtype")
    best, second, *others = dtypes
    return [
        engine(best, *alone, best, "--batches", batches, seconds=200),
        engine(second, *alone, second, "--batches", few, seconds=100),
        _tests("tests of the graphs", 120, graphs),
        engine(f"{best}, rivals", *where, "--dtype", best, "--rivals", rivals, seconds=240),
        _module("streams", "streams", *where, "--dtype", best, "--streams", crowds, seconds=120),
        *(
            _module(f"{kind}, served", "listeners", *served, kind, seconds=90)
            for kind in dtypes[:2]
        ),
        engine(f"{best}, not compiled", *alone, best, "--compile", "off", seconds=60),
        *(engine(kind, *alone, kind, seconds=60) for kind in others),
        _tests("other tests", 900, *tests),
    ]


def _tests(name: str, seconds: float, *files: Path) -> Step:
    words: tuple[str, ...] = ("-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider")
    words += ("-o", "filterwarnings=default", *map(str, files))
    return Step(name, (sys.executable, *words), seconds, is_json=False)


def _module(name: str, module: str, *words: str, seconds: float) -> Step:
    return Step(name, (sys.executable, "-m", f"benchmarks.{module}", *words), seconds)


if __name__ == "__main__":
    main()
