"""The tests without the lock: which of the newest (or oldest) packages break what.

Run by script/test --newest and --oldest, in an environment of its own. The newest are taken
whatever upper bounds pyproject.toml declares; the oldest are the ones that it allows. Ends with
0 if all tests pass.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

from package_calls import InstallError, Packages, tell

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("hibari", "csm", "coqui", "aac", "dev")
ALL = ("-n", "auto", "--maxprocesses", "4")  # pytest's words for the whole suite, as script/test's
CUDA = re.compile(r"(?:torch(?![a-z])|triton|nvidia-|cuda-)")  # taken from the lock all the same


def main() -> int:
    """Install, compare with the lock, test, and look for the culprits of what fails."""
    which, *words = sys.argv[1:]
    folder = ROOT / ".cache" / f"environment-{which[2:]}"
    python = folder / "bin/python"
    tell(f"making {folder.relative_to(ROOT)}")
    venv.create(folder, clear=True, with_pip=True)
    packages = Packages(python, tell)
    try:
        install(packages, which, python)
    except InstallError as error:
        tell(f"these packages cannot be installed together: {error}")
        return 1
    others = differing(locked(python), present(python))
    for name, (before, now) in sorted(others.items()):
        print(f"{name} {before} -> {now}")
    print(f"{len(others)} packages are not the ones that are locked", flush=True)
    failed = failing(python, words)
    if failed is None:
        return 0
    for name, broken in culprits(packages, python, others, failed).items():
        before, now = others[name]
        print(f"{name} {now} breaks {len(broken)} tests that pass with {before}:")
        print("".join(f"    {test}\n" for test in sorted(broken)[:20]), end="")
    return 1


def install(packages: Packages, which: str, python: Path) -> None:
    """torch of the lock, for the CPU; then all else without it. Raises InstallError."""
    words = [str(python), "script/install.py", "torch"]
    if subprocess.run(words, cwd=ROOT).returncode:
        raise InstallError("torch: see above")
    torch = present(python)["torch"]
    if which == "--oldest":
        # what is allowed is asked of uv, which can take the oldest
        uv = str(ROOT / ".venv/bin/uv")
        command = [
            uv,
            "pip",
            "compile",
            "pyproject.toml",
            "--quiet",
            "--no-header",
            "--no-annotate",
        ]
        command += ["--resolution", "lowest-direct", "--python", str(python)]
        command += [word for extra in EXTRAS for word in ("--extra", extra)]
        asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if asked.returncode:
            raise InstallError(asked.stderr.strip())
        lines = [line for line in asked.stdout.splitlines() if not CUDA.match(line)]
    else:
        lines = [line for line in unbounded() if not CUDA.match(line)]
    tell(f"installing {len(lines)} packages and what they need, {which[2:]} first")
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["build"]
    packages.pip("install", "--upgrade", *build)
    packages.pip("install", "--upgrade", *lines, f"torch=={torch}")
    packages.pip("install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))


def unbounded() -> list[str]:
    """What pyproject.toml asks for, without its upper bounds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"]]
    for extra in EXTRAS:
        lines += project["optional-dependencies"][extra]
    return [re.sub(r",?\s*<=?\s*[\w.]+", "", line) for line in lines]


def locked(python: Path) -> dict[str, str]:
    """Name → version that the lock has for this Python."""
    # the markers are pip's to read: a dry run of nothing but the file would ask the network
    code = (
        "import re, sys; from pip._vendor.packaging.requirements import Requirement as R\n"
        "for line in re.findall(r'^[^#\\s][^\\\\\\n]*', open(sys.argv[1]).read(), re.M):\n"
        "    r = R(line)\n"
        "    if r.marker is None or r.marker.evaluate(): print(r.name, str(r.specifier)[2:])"
    )
    words = [str(python), "-c", code, str(ROOT / "requirements/dev.txt")]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return _pairs(said)


def present(python: Path) -> dict[str, str]:
    """Name → version of what is installed."""
    code = (
        "import re; from importlib.metadata import distributions\n"
        "for d in distributions(): print(re.sub('[-_.]+', '-', d.name).lower(), d.version)"
    )
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    return _pairs(said)


def _pairs(said: str) -> dict[str, str]:
    return {line.split()[0]: line.split()[1] for line in said.splitlines()}


def differing(before: dict[str, str], now: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Name → (locked, installed) of the packages of which another version is installed."""
    return {
        name: (version, now[name])
        for name, version in before.items()
        if name in now and now[name] != version
    }


def failing(python: Path, words: list[str]) -> set[str] | None:
    """The tests that fail; None if none does. pytest's own output is passed on.

    Where tests cannot even be collected, their files stand for them, and `tests` for all.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        environ = {**os.environ, "CANARY_REPORT": str(report), "PYTHONPATH": str(ROOT / "script")}
        command = [str(python), "-m", "pytest", "-p", "canary_report", *(words or ALL)]
        code = subprocess.run(command, cwd=ROOT, env=environ).returncode
        failed = set(json.loads(report.read_text())) if report.exists() else set()
    if code == 0:
        return None
    return failed or set(words) or {"tests"}


def culprits(
    packages: Packages, python: Path, others: dict[str, tuple[str, str]], failed: set[str]
) -> dict[str, set[str]]:
    """Which package's locked version makes which failing tests pass: each is put back in turn."""
    wanted = {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in unbounded()}
    found: dict[str, set[str]] = {}
    open_ones = set(failed)
    for name in sorted(others, key=lambda name: (name not in wanted, name)):
        if not open_ones:
            break
        before, now = others[name]
        tell(f"trying {name} {before} again")
        try:
            packages.pip("install", "--no-deps", f"{name}=={before}")
            still = failing(python, sorted(open_ones)) or set()
            mended = set() if "tests" in still else open_ones - still
            packages.pip("install", "--no-deps", f"{name}=={now}")
        except InstallError as error:
            tell(f"{name}: {error}")
            continue
        if mended:
            found[name] = mended
            open_ones -= mended
    if open_ones:
        print(f"{len(open_ones)} failing tests pass with no single package put back")
    return found


if __name__ == "__main__":
    sys.exit(main())
