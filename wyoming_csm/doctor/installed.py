"""Checks of what is installed: Python, the lock, PyTorch's build against driver and card."""

import re
import runpy
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from wyoming_csm.config import Config
from wyoming_csm.doctor.finding import Finding, Level, ok
from wyoming_csm.doctor.machine import Machine
from wyoming_csm.errors import EngineUnavailable, Unsuited
from wyoming_csm.gpu_signs import no_gpu
from wyoming_csm.worker.csm.gpu_faults import check_code, explain_absence
from wyoming_csm.worker.csm.torch_facts import TorchFacts

OLDEST, NEWEST = (3, 11), (3, 14)
LOOK_SECONDS = 120.0  # importing PyTorch from a slow disk, and asking the hub
_LOCKED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)(?: *; *(.*?))?(?: *\\)?$", re.MULTILINE)
_ENOUGH_MEMORY = 3_600_000_000  # bytes for CSM in 16 bits with one slot, as the README counts it
_NVIDIA = ("nvidia-smi", "--query-gpu=driver_version,compute_cap,name", "--format=csv,noheader")
_AGAIN = "./run.sh brings it up to date"


def check_python(machine: Machine) -> Finding:
    """Look at Python's version."""
    found = ".".join(map(str, machine.python))
    if OLDEST <= machine.python <= NEWEST:
        return ok("Python", found)
    age = "old" if machine.python < OLDEST else "new: nothing was tried with it"
    cure = "install Python 3.13 and start ./run.sh again; WYOMING_CSM_PYTHON names it"
    return Finding("Python", "fail", f"{found} is too {age}", cure)


def check_lock(machine: Machine, there: Mapping[str, str]) -> Finding:
    """Compare what is installed with requirements/: of the base, and of the engines that are."""
    if machine.clone is None:
        return Finding("packages", "skip", "installed without the clone that locks them")
    files = ["base.txt", "hibari.txt"] + [
        f"{extra}.txt"
        for extra, sign in (("coqui", "coqui-tts"), ("csm", "tokenizers"))
        if sign in there and "torch" in there
    ]
    base: dict[str, str] = {}
    locked: dict[str, str] = {}
    for name in files:
        path = machine.clone / "requirements" / name
        if path.is_file():
            found = _versions_in(path.read_text(encoding="utf-8"), machine.python)
            locked = found | locked
            base |= found if name == "base.txt" else {}
    missing = sorted(base.keys() - there)
    other = [
        f"{name} {there[name]} (locked {version})"
        for name, version in sorted(locked.items())
        if name in there and there[name].partition("+")[0] != version
    ]
    if missing:
        return Finding("packages", "fail", f"missing: {', '.join(missing)}", _AGAIN)
    if other:
        more = f" and {len(other) - 3} more" if len(other) > 3 else ""
        return Finding("packages", "warn", f"not as locked: {', '.join(other[:3])}{more}", _AGAIN)
    return ok("packages", f"{len(locked.keys() & there)} as locked")


def _versions_in(text: str, python: tuple[int, int]) -> dict[str, str]:
    found = {}
    for name, version, marker in _LOCKED.findall(text):
        limit = re.search(r"python_(?:full_)?version (<|>=) '3\.(\d+)'", marker)
        if limit and (python < (3, int(limit[2]))) != (limit[1] == "<"):
            continue
        if "sys_platform" in marker or "platform_machine" in marker:
            continue
        found[_plain(name)] = version
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def look_at_torch(config: Config, machine: Machine) -> TorchFacts | str:
    """Ask a process that imports PyTorch; return why it failed if it did."""
    words = [sys.executable, "-m", "wyoming_csm.worker.csm.look"]
    if "csm" in config.engines:
        words += [msgspec.json.encode(config.csm).decode(), str(config.models_dir)]
    ran = machine.run(words, LOOK_SECONDS)
    if ran is None:
        return f"it was not imported in {LOOK_SECONDS:.0f} s"
    try:
        return msgspec.json.decode((ran.out.splitlines() or [""])[-1], type=TorchFacts)
    except msgspec.DecodeError:
        last = [line for line in ran.err.splitlines() if line.strip()]
        how = f"exit code {ran.code}" if ran.code >= 0 else f"signal {-ran.code}"
        return f"{last[-1].strip()[:200]} ({how})" if last else how


def check_torch(machine: Machine, facts: TorchFacts | str | None) -> Finding:
    """Hold PyTorch's build against the driver and the cards; `facts` None: it is not installed."""
    if facts is None:
        return _without_torch(machine)
    if isinstance(facts, str):
        cure = "remove the folder .venv, then start ./run.sh again"
        return Finding("PyTorch", "fail", f"it cannot be imported: {facts}", cure)
    found = f"{facts.version}, built for {facts.here.cuda or facts.here.hip or 'the CPU'}"
    try:
        if not facts.cards:
            raise explain_absence(facts.here)
        for card in () if facts.here.hip else facts.cards:
            check_code(card.capability, facts.architectures, card.name)
    except Unsuited:
        return ok("PyTorch", found)
    except EngineUnavailable as error:
        return Finding("PyTorch", "fail", f"{found}: {error.reason}", error.cure)
    return ok("PyTorch", found)


def _without_torch(machine: Machine) -> Finding:
    """Say what the installer would choose, which asks the driver."""
    if not machine.signs() - {"container"}:
        return Finding("PyTorch", "skip", "not installed, and no GPU is here")
    build, reason = _choice(machine)
    cure = "./run.sh (without --light) installs it"
    if build == "cpu" and reason:
        said, _, cured = reason.partition(": ")
        what, _, helps = cured.partition(". ")
        return Finding("PyTorch", "fail", f"not installed: {said}: {what}", helps or cure)
    return Finding("PyTorch", "warn", f"not installed, and a GPU is here (build {build})", cure)


def _choice(machine: Machine) -> tuple[str, str]:
    """Return the installer's build of PyTorch for the driver that nvidia-smi tells, and why it is
    none for the GPU."""
    script = machine.clone and machine.clone / "script" / "torch_build.py"
    if not (script and script.is_file()):
        return "by pip install '.[csm]'", ""
    told = runpy.run_path(str(script))
    choose: Callable[..., Any] = told["choose"]
    ran = machine.run(_NVIDIA, 20.0)
    gpu = told["parse"](ran.out) if ran and ran.code == 0 else None
    if gpu is None and "kfd" in machine.signs():
        return "for ROCm: WYOMING_CSM_TORCH_INDEX names PyTorch's index of it", ""
    choice = choose(gpu or told["Gpu"](), machine.processor, machine.python)
    return choice.build, choice.reason


def check_gpu(config: Config, facts: TorchFacts | str | None, serving: bool) -> Finding:
    """Look at the cards and the memory that is free there; `serving`: our server may have it."""
    if "csm" not in config.engines:
        return Finding("GPU", "skip", "CSM is left out by `engines` or --light")
    if not isinstance(facts, TorchFacts) or not facts.cards:
        reason = no_gpu() if not isinstance(facts, TorchFacts) else explain_absence(facts.here)
        wanted = config.csm.device not in ("auto", "cpu")
        unsuited = isinstance(reason, Unsuited)
        level: Level = "fail" if wanted or not unsuited else "skip"
        return Finding("GPU", level, f"none that CSM can use: {reason.reason}", reason.cure)
    told = ", ".join(
        f"{card.name}, {card.free / 1e9:.1f} of {card.total / 1e9:.1f} GB free"
        for card in facts.cards
    )
    if serving:
        return ok("GPU", f"{told} (a server runs here)")
    if max(card.free for card in facts.cards) < _ENOUGH_MEMORY:
        cure = (
            "free some (nvidia-smi shows what takes it); csm.dtype: int8 needs 2.3 GB, int4 1.8 GB"
        )
        return Finding("GPU", "warn", f"{told}: CSM takes 3.4 GB in 16 bits", cure)
    return ok("GPU", told)


def check_flash(facts: TorchFacts | str | None) -> Finding:
    """Look at flash-attn, which is no must."""
    if not isinstance(facts, TorchFacts) or not facts.flash_attn:
        return Finding("flash-attn", "skip", "not installed: PyTorch's own attention serves")
    if facts.flash_fault:
        cure = "pip uninstall flash-attn, or build it anew for this PyTorch"
        found = f"{facts.flash_attn} does not load: {facts.flash_fault}"
        return Finding("flash-attn", "warn", found, cure)
    return ok("flash-attn", facts.flash_attn)


def check_compiler(facts: TorchFacts | str | None) -> Finding:
    """Look at what makes CSM's parts faster on a GPU."""
    if not isinstance(facts, TorchFacts) or not facts.cards:
        return Finding("compiler", "skip", "needed on a GPU only")
    if facts.compiler_cure:
        found = "no C compiler, Python headers or Triton: CSM speaks slower"
        return Finding("compiler", "warn", found, facts.compiler_cure)
    return ok("compiler", "Triton can build kernels")


def installed_of(machine: Machine) -> Mapping[str, str]:
    """Return the versions of the packages by their plain names."""
    return {_plain(name): version for name, version in machine.installed().items()}
