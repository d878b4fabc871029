"""Installs what requirements/ has locked into the environment that runs this.

install.py base [--hurry]   what the server and the system voice need
install.py engines NAME...  torch and those of csm, coqui that this machine can use, beside a server
install.py development      all of it, and the tools
install.py torch [BUILD]    torch alone: cpu, cu126, cu129 or cu130
install.py locked FILE...   what these files of requirements/ name
install.py check            does what is installed meet what is declared?

Ends with 0, with 3 where nothing was to be done, or with 1 after a line that says why.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import torch_build
from environment import (
    ENVIRONMENT,
    Hopeless,
    Stamp,
    alone,
    end_with_the_server,
    whole_or_not_at_all,
)
from package_calls import InstallError, Packages, Unreachable, tell

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
NOTHING_TO_DO = 3

# On the disk, with what is unpacked on the way, in GB.
_SPACE = {"cpu": 3, "cu126": 12, "cu129": 12, "cu130": 12, "rocm": 20}


def base(hurried: bool) -> None:
    """`hurried`: there is an environment that can serve without this. Raises InstallError."""
    packages = Packages(Path(sys.executable), tell)
    if hurried:
        packages.hurry()
    packages.install_locked(REQUIREMENTS / "base.txt", quick=True)
    packages.pip("install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))


def engines(wanted: list[str]) -> None:
    """Coqui, and CSM where a GPU can be used, of those `wanted`. Raises InstallError."""
    index = os.environ.get("WYOMING_CSM_TORCH_INDEX", "")
    choice = torch_build.look(index)
    found = torch_build.installed().build
    if choice.build == "cpu" and found not in ("", "cpu"):
        tell(f"{choice.reason or 'no GPU is here now'}: torch's build for it stays")
        choice = torch_build.Choice(found)
    elif choice.reason:
        tell(choice.reason)
    extras = [extra for extra in ("csm", "coqui") if extra in wanted]
    if choice.build == "cpu":
        extras = [extra for extra in extras if extra == "coqui"]
    stamp = Stamp("engines.stamp", choice.build, *extras)
    if not extras or stamp.holds():
        sys.exit(NOTHING_TO_DO)
    if choice.build == "cpu":
        tell("no GPU here that CSM runs on: installing Coqui, 1.7 GB, while the server speaks")
    else:
        tell("a GPU is here: installing CSM, several gigabytes, while the server speaks")
    with whole_or_not_at_all():
        packages = Packages(Path(sys.executable), tell)
        install_torch(packages, choice.build)
        for extra in extras:
            packages.install_locked(REQUIREMENTS / f"{extra}.txt")
        check(packages)
    stamp.set()
    tell("installed; the server looks again which engines can speak")


def development() -> None:
    """Raises InstallError."""
    stamp = Stamp("setup.stamp", "cpu", "dev")
    if stamp.holds():
        return
    tell("installing torch, the engines and the tools...")
    found = torch_build.installed()
    build = found.build if found.version == torch_build.VERSION else "cpu"
    with whole_or_not_at_all():
        packages = Packages(Path(sys.executable), tell)
        install_torch(packages, build)
        packages.install_locked(REQUIREMENTS / "dev.txt")
        check(packages)
    stamp.set()


def check(packages: Packages) -> bool:
    """Whether what is installed meets what is declared; what does not is said."""
    try:
        packages.pip("check")
    except InstallError as error:
        complaints = [line for line in error.told.splitlines() if line.strip()]
        if os.uname().machine == "aarch64":  # serves training only, and has no wheel there
            complaints = [c for c in complaints if "monotonic-alignment-search" not in c]
        for complaint in complaints:
            tell(f"pip check: {complaint}")
        return not complaints
    return True


# -- torch


def install_torch(packages: Packages, build: str) -> None:
    """torch in this build, unless it is there. Raises InstallError."""
    index = os.environ.get("WYOMING_CSM_TORCH_INDEX")
    wanted = os.environ.get("WYOMING_CSM_TORCH") or f"torch=={torch_build.VERSION}"
    found = torch_build.installed()
    fits = found.build == build or (index and (found.build == "cpu") == (build == "cpu"))
    if f"torch=={found.version}" == wanted and fits:
        return
    file = REQUIREMENTS / f"torch-{build}.txt"
    if not (index or file.exists()):
        raise InstallError(f"there is no build {build!r} of torch: cpu, cu126, cu129 or cu130")
    free, needed = shutil.disk_usage(ENVIRONMENT).free / 1e9, _SPACE.get(build, 12)
    if free < needed:
        raise InstallError(f"{needed} GB of disk are needed, {free:.1f} GB are free")
    anew = ["--force-reinstall"] if found.build else []
    if index or wanted != f"torch=={torch_build.VERSION}":
        packages.pip("install", *anew, *wanted.split(), *(["--index-url", index] if index else []))
        return
    locked = ["--no-deps", "--require-hashes", "--requirement", str(file)]
    if build != "cpu":
        packages.pip("install", *anew, *locked)
        return
    try:
        packages.pip("install", "--retries", "0", "--timeout", "15", *anew, *locked)
    except Unreachable:
        install_from_default_index(packages, file, anew)


def install_from_default_index(packages: Packages, file: Path, anew: list[str]) -> None:
    """The same files by their hashes, from wherever pip looks. Raises InstallError.

    The usual index has a CUDA build of gigabytes as the same version: it is asked first.
    """
    hashes = re.findall(r"^torch @ .*\\\n +--hash=sha256:(\S+)$", file.read_text(), re.MULTILINE)
    wanted = f"torch=={torch_build.VERSION}"
    plan = packages.pip(
        "install", "--quiet", "--dry-run", "--report", "-", "--no-deps", *anew, wanted
    )
    (found,) = json.loads(plan[plan.index("{") :])["install"]
    about = json.dumps(found["download_info"])  # older pips write the hash under another key
    if not any(known in about for known in hashes):
        raise InstallError(
            f"{wanted} of this machine's index is a CUDA build of gigabytes. Let this machine"
            " reach download.pytorch.org, or name an index of CPU wheels in WYOMING_CSM_TORCH_INDEX"
        )
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as made:
        made.write(" --hash=sha256:".join([wanted, *hashes]) + "\n")
        made.flush()
        packages.pip("install", *anew, "--no-deps", "--require-hashes", "--requirement", made.name)


def main() -> int:
    """Run the command of the first word."""
    command, *rest = sys.argv[1:]
    try:
        if command == "base":
            base(hurried="--hurry" in rest)
        elif command == "engines":
            end_with_the_server()
            with alone():
                engines(rest)
        elif command == "development":
            with alone():
                development()
        else:
            packages = Packages(Path(sys.executable), tell)
            if command == "torch":
                install_torch(packages, *(rest or ["cpu"]))
            elif command == "locked":
                for file in rest:
                    packages.install_locked(REQUIREMENTS / file)
            else:
                return 0 if check(packages) else 1
    except InstallError as error:
        tell(f"not installed: {error}")
        return NOTHING_TO_DO if isinstance(error, Hopeless) else 1
    except KeyboardInterrupt:
        if command != "base":  # whose caller says so
            tell("stopped; the next start goes on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
