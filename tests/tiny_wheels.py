"""Packages of one module, and environments with the real pip to install them without a network."""

import hashlib
import shutil
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path


def make_environment(folder: Path) -> Path:
    """Make an environment in which pip is a copy of the one here, and return its Python.

    That takes a tenth of the time that ensurepip needs to install one.
    """
    venv.create(folder)
    (packages,) = folder.glob("lib/*/site-packages")
    pip = distribution("pip")
    for name in ("pip", f"pip-{pip.version}.dist-info"):
        shutil.copytree(Path(str(pip.locate_file(name))), packages / name)
    return folder / "bin/python"


def make_wheel(
    folder: Path, name: str, version: str, files: dict[str, str] | None = None, requires: str = ""
) -> str:
    """Write NAME-VERSION-py3-none-any.whl; its SHA-256."""
    described = f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    content = {
        f"{name}/__init__.py": "",
        **(files or {}),
        f"{described}/METADATA": (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
        ),
        f"{described}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    content[f"{described}/RECORD"] = "".join(f"{file},,\n" for file in content)
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in content.items():
            wheel.writestr(file, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()
