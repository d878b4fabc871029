"""Installs what requirements/ has locked into the environment that runs this.

install.py base [--quick]   what the server and the system voice need
install.py engines          torch and the engine that this machine can use, beside a running server
install.py development      all of it, and the tools
install.py torch [BUILD]    torch alone: cpu, cu126, cu129 or cu130
install.py locked FILE...   what these files of requirements/ name

Ends with 0, with 3 where nothing was to be done, or with 1 after a line that says why.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import torch_build
from environment import ENVIRONMENT, Stamp, alone, end_with_the_server, whole_or_not_at_all
from package_calls import InstallError, Packages, tell

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
NOTHING_TO_DO = 3

# On the disk, with what is unpacked on the way, in GB.
_SPACE = {"cpu": 3, "cu126": 12, "cu129": 12, "cu130": 12, "rocm": 20}


def base(quick: bool) -> None:
    """Raises InstallError."""
    packages = Packages(Path(sys.executable), tell)
    packages.install_locked(REQUIREMENTS / "base.txt", quick=quick)
    packages.pip(
        *("install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)), quick=quick
    )


def engines() -> None:
    """Coqui where no GPU is, CSM where one can be used. Raises InstallError."""
    index = os.environ.get("WYOMING_CSM_TORCH_INDEX", "")
    choice = torch_build.look(index)
    extra = "coqui" if choice.build == "cpu" else "csm"
    stamp = Stamp("engines.stamp", choice.build, extra)
    if stamp.holds():
        sys.exit(NOTHING_TO_DO)
    if choice.reason:
        tell(choice.reason)
    if extra == "coqui":
        tell("no GPU here that CSM runs on: installing Coqui, 1.7 GB, while the server speaks")
    else:
        tell("a GPU is here: installing CSM, several gigabytes, while the server speaks")
    with whole_or_not_at_all():
        packages = Packages(Path(sys.executable), tell)
        install_torch(packages, choice.build)
        packages.install_locked(REQUIREMENTS / f"{extra}.txt")
        if extra == "csm" and (complaint := try_gpu()):
            tell(f"{complaint}. Installing Coqui instead, on the CPU")
            packages.install_locked(REQUIREMENTS / "coqui.txt")
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
    free, needed = shutil.disk_usage(ENVIRONMENT).free / 1e9, _SPACE[build]
    if free < needed:
        raise InstallError(f"{needed} GB of disk are needed, {free:.1f} GB are free")
    anew = ["--force-reinstall"] if found.build else []
    if index or wanted != f"torch=={torch_build.VERSION}":
        packages.pip("install", *anew, *wanted.split(), *(["--index-url", index] if index else []))
        return
    if build != "cpu" or answers("https://download.pytorch.org/whl/cpu/"):
        locked = ["--no-deps", "--require-hashes", "--requirement", str(file)]
        packages.pip("install", *anew, *locked)
        return
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
    about = json.dumps(found["download_info"])  # older pips write the hash in another place
    if not any(known in about for known in hashes):
        raise InstallError(
            f"{wanted} of this machine's index is a CUDA build of gigabytes. Let this machine"
            " reach download.pytorch.org, or name an index of CPU wheels in WYOMING_CSM_TORCH_INDEX"
        )
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as made:
        made.write(" --hash=sha256:".join([wanted, *hashes]) + "\n")
        made.flush()
        packages.pip("install", *anew, "--no-deps", "--require-hashes", "--requirement", made.name)


def answers(url: str) -> bool:
    """Does something answer there within five seconds?"""
    try:
        urlopen(Request(url, method="HEAD"), timeout=5).close()
    except (URLError, OSError):
        return False
    return True


TRY_GPU = """
import sys, torch
if not torch.cuda.is_available():
    sys.exit("torch cannot reach the GPU")
card = torch.cuda.get_device_capability()
if not any(name in torch.cuda.get_arch_list() for name in (
        f"sm_{card[0]}{minor}" for minor in range(card[1] + 1))):
    sys.exit(f"this build of torch has no code for the card (capability {card[0]}.{card[1]})")
"""


def try_gpu() -> str:
    """Why the installed torch cannot use the GPU; empty if it can."""
    tried = subprocess.run([sys.executable, "-c", TRY_GPU], capture_output=True, text=True)
    return tried.stderr.strip().rpartition("\n")[2] if tried.returncode else ""


def check(packages: Packages) -> None:
    """Say which declared ranges what is installed now does not meet."""
    try:
        packages.pip("check")
    except InstallError as error:
        if platform_lacks(str(error)):
            return
        tell(f"pip check: {error}")


def platform_lacks(complaint: str) -> bool:
    """Is it only the package that serves training and has no wheel here?"""
    return "monotonic-alignment-search" in complaint and os.uname().machine == "aarch64"


def main() -> int:
    """Run the command of the first word."""
    command, *rest = sys.argv[1:]
    try:
        if command == "base":
            base(quick="--quick" in rest)
        elif command == "engines":
            end_with_the_server()
            with alone():
                engines()
        elif command == "torch":
            install_torch(Packages(Path(sys.executable), tell), *(rest or ["cpu"]))
        elif command == "locked":
            packages = Packages(Path(sys.executable), tell)
            for file in rest:
                packages.install_locked(REQUIREMENTS / file)
        else:
            with alone():
                development()
    except InstallError as error:
        tell(f"not installed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
