"""Calls pip or uv: the user's settings say from where packages come, never which or where to.

Only Python's own library is used: this runs before anything is installed.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

# What is taken from pip's variables and files: indexes, proxies, certificates, the cache.
PIP_PASSED_ON = (
    *("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "proxy", "cert"),
    *("client-cert", "timeout", "retries", "cache-dir", "no-cache-dir", "keyring-provider"),
)
# The same of uv's; the names of its file's settings, and of its variables with UV_ before them.
UV_PASSED_ON = (
    *("index", "index-url", "default-index", "extra-index-url", "find-links", "no-index"),
    *("index-strategy", "keyring-provider", "allow-insecure-host", "insecure-host", "native-tls"),
    *("system-certs", "cache-dir", "no-cache", "offline", "http-timeout", "link-mode"),
)
# UV_INDEX_: the names of own indexes follow.
UV_PASSED_ON_PREFIXES = ("UV_INDEX_", "UV_PYTHON_INSTALL", "UV_PYTHON_DOWNLOADS")

_NETWORK = (
    r"NewConnectionError|NameResolutionError|name resolution|Network is unreachable|timed out"
    r"|ConnectTimeout|ConnectionResetError|Connection (?:refused|reset|aborted)|Tunnel connection"
    r"|dns error|error sending request|RemoteDisconnected|HTTP error|Could not fetch URL"
    r"|Failed to resolve|Failed to connect|Failed to establish a new|Unable to fetch"
)
# What a line of pip's or uv's output means, and what helps.
CAUSES = (
    (
        r"No space left on device|Errno 28|os error 28",
        "the disk is full: make room, then start again",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|invalid peer certificate"
        r"|Failed to establish a secure connection",
        "the index's certificate is not trusted here: is a proxy between? PIP_CERT names its"
        " certificate",
    ),
    (
        r"DO NOT MATCH THE HASHES|[Hh]ash mismatch",
        "a file is not the one that this version was tested with: a mirror or proxy changed it",
    ),
    (
        _NETWORK,
        "the package index cannot be reached: is the network there?",
    ),
    (r"Permission denied|Errno 13|os error 13|Read-only file system", "a file cannot be written"),
    (
        r"No matching distribution|no version of|not found in the (?:package )?registry",
        "the package index of this machine does not have it",
    ),
)
_TOLD = re.compile("ERROR|error:|Errno|\u00d7")
_LARGE = re.compile(r"Downloading (?:\S*/)?([\w.]+-[^-\s]+)\S* \(([\d.]+ ?[MG]i?B)\)")


class InstallError(Exception):
    """Something was not installed: why, in a line. `told` is all that was said of it."""

    def __init__(self, why: str, told: str = "") -> None:
        super().__init__(why)
        self.told = told


class Unreachable(InstallError):
    """The index did not answer."""


def clean_environment(environ: Mapping[str, str], pip_settings: str) -> dict[str, str]:
    """The variables to run pip and uv with.

    `pip_settings` is what `pip config list` prints of pip's files; variables go before them.
    """
    passed = {
        name: value
        for name, value in environ.items()
        if not name.startswith(("PIP_", "UV_", "PYTHON"))
        or name.startswith(UV_PASSED_ON_PREFIXES)
        or (name.startswith("UV_") and name[3:].lower().replace("_", "-") in UV_PASSED_ON)
    }
    for section in ("global", "install"):
        for key, written in re.findall(rf"^{section}\.([\w-]+)=(.*)$", pip_settings, re.MULTILINE):
            if key in PIP_PASSED_ON:
                value = " ".join(str(ast.literal_eval(written)).split())
                passed["PIP_" + key.upper().replace("-", "_")] = value
    for key in PIP_PASSED_ON:
        variable = "PIP_" + key.upper().replace("-", "_")
        if variable in environ:
            passed[variable] = environ[variable]
    if "PIP_INDEX_URL" in passed and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & passed.keys():
        passed["UV_DEFAULT_INDEX"] = passed["PIP_INDEX_URL"]
    return passed | {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INPUT": "1"}


def uv_settings(files: Sequence[Path]) -> dict[str, Any]:
    """Return what is passed on of uv's own files, the later over the earlier."""
    passed: dict[str, Any] = {}
    for file in files:
        if file.is_file():
            with file.open("rb") as opened:
                settings = tomllib.load(opened)
            for table in (settings, settings.get("pip", {})):
                passed |= {key: value for key, value in table.items() if key in UV_PASSED_ON}
    return passed


class Packages:
    """Installs into one environment, with uv where it is and else with pip."""

    def __init__(self, python: Path, tell: Callable[[str], None]) -> None:
        """`tell` gets the lines that a user cares for. Raises InstallError."""
        self._python, self._tell = python, tell
        self._uv = shutil.which("uv")
        own = {k: v for k, v in os.environ.items() if k[:4] != "PIP_" or k == "PIP_CONFIG_FILE"}
        asked = subprocess.run(  # -vvv: a file may tell pip to be quiet
            [python, "-m", "pip", "--disable-pip-version-check", "-vvv", "config", "list"],
            capture_output=True,
            text=True,
            env=own,
        )
        if asked.returncode:
            raise InstallError(f"pip's settings cannot be read: {_last(asked.stderr)}")
        self._env = clean_environment(os.environ, asked.stdout)

    def install_locked(self, file: Path, *, quick: bool = False) -> None:
        """Just what a file of requirements/ names, each by its hash. Raises InstallError.

        `quick`: a person waits; nothing is compiled ahead.
        """
        words = [
            "--no-deps",
            "--require-hashes",
            "--no-build-isolation",
            "--requirement",
            str(file),
        ]
        if self._uv:
            self._run_uv(self._uv, words)
        else:
            self.pip("install", *(["--no-compile"] if quick else []), *words)

    def pip(self, command: str, *words: str) -> str:
        """Run pip; its output. Raises InstallError."""
        bars = ["--progress-bar", "off"] if command == "install" else []
        base = [str(self._python), "-m", "pip", "--disable-pip-version-check"]
        return self._run([*base, command, *bars, *words])

    def hurry(self) -> None:
        """Give up at once where no index answers: there is something to go on with."""
        self._env = {"PIP_RETRIES": "0", "PIP_TIMEOUT": "5", "UV_HTTP_TIMEOUT": "5"} | self._env

    def _run_uv(self, uv: str, words: list[str]) -> None:
        folders = (Path("/etc"), Path(self._env.get("XDG_CONFIG_HOME") or Path.home() / ".config"))
        settings = uv_settings([folder / "uv/uv.toml" for folder in folders])
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "uv.toml")
            file.write_text(as_toml(settings))
            command = [
                uv,
                "--config-file",
                str(file),
                "pip",
                "install",
                "--python",
                str(self._python),
            ]
            self._run([*command, *words])

    def _run(self, command: list[str]) -> str:
        said: list[str] = []
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self._env,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line)
                if large := _LARGE.search(line):
                    self._tell(f"downloading {large[1]} ({large[2]})")
                elif "Installing collected" in line:
                    self._tell(f"unpacking {_counted(line.partition(': ')[2])}")
        if process.returncode:
            told = "".join(said)
            kind = Unreachable if re.search(_NETWORK, told) else InstallError
            raise kind(explain(told), told)
        return "".join(said)


def explain(said: str) -> str:
    """Why pip or uv failed: its own words, and what they mean where that is known."""
    told = [line.strip() for line in said.splitlines() if _TOLD.search(line)]
    errors = [line for line in told if line.startswith(("ERROR:", "\u00d7"))]
    own = (errors or told or [_last(said)])[-1]
    for pattern, meaning in CAUSES:
        if re.search(pattern, said):
            return f"{meaning}  [{own[:300]}]"
    return own[:500]


def as_toml(settings: Mapping[str, Any]) -> str:
    """Plain values and lists of tables, as uv's file has them."""
    return "".join(f"{key} = {_value(value)}\n" for key, value in settings.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _counted(names: str) -> str:
    found = names.strip().split(", ")
    return found[0] if len(found) == 1 else f"{len(found)} packages"


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def tell(words: str) -> None:
    """A line for the user, with the teller's name before it."""
    teller = os.environ.get("TELLER", Path(sys.argv[0]).stem)
    with suppress(OSError):  # the terminal was closed: the work goes on
        print(f"[{teller}] {words}", file=sys.stderr, flush=True)
