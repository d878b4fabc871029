"""The machine that this runs on, asked for what the checks want to know."""

import asyncio
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from importlib.metadata import distributions
from pathlib import Path
from urllib.error import HTTPError

import msgspec
from zeroconf import Error as ZeroconfError
from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from wyoming_csm.doctor.machine import Answer, Disk, Ran, Seen
from wyoming_csm.errors import FULL, ConfigError, ProtocolError
from wyoming_csm.gpu_signs import signs
from wyoming_csm.server.addresses import reachable_addresses
from wyoming_csm.server.sockets import listen_tcp, port_holder
from wyoming_csm.server_info import info_of
from wyoming_csm.within import within

_ASK_SECONDS = 4.0  # for an answer from a server, or from the internet
_MOST_BYTES = 65_536  # of an answer to GET /health
BROWSE_SECONDS = 3.0  # answers to a browser come within one
_WYOMING, _OURS = "_wyoming._tcp.local.", "_wyoming-doctor._tcp.local."
_CLONE = Path(__file__).resolve().parents[2]


class ThisMachine:
    """See `Machine`."""

    @property
    def python(self) -> tuple[int, int]:
        return sys.version_info[:2]

    @property
    def processor(self) -> str:
        return platform.machine()

    @property
    def clone(self) -> Path | None:
        return _CLONE if (_CLONE / "run.sh").is_file() else None

    def signs(self) -> frozenset[str]:
        return signs()

    def installed(self) -> Mapping[str, str]:
        return {found.name: found.version for found in distributions() if found.name}

    def run(self, words: Sequence[str], seconds: float) -> Ran | None:
        found = shutil.which(words[0]) or shutil.which(words[0], path="/usr/lib/wsl/lib")
        quick = {"HF_HUB_ETAG_TIMEOUT": "5", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        try:
            ran = subprocess.run(
                [found or words[0], *words[1:]],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                env={**quick, **os.environ},
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def disk(self, folder: Path) -> Disk:
        whole = folder.expanduser().absolute()
        there = next(path for path in (whole, *whole.parents) if path.exists())
        fault = ""
        if not there.is_dir():
            fault = f"{there} is a file"
        elif not os.access(there, os.W_OK | os.X_OK):
            fault = f"this user may not write into {there}"
        elif why := _why_no_folder(there):
            fault = f"{there} takes no folder: {why}"
        return Disk(shutil.disk_usage(there).free, fault, there == whole)

    def now(self) -> float:
        return time.time()

    async def date_of(self, url: str) -> float | None:
        return await asyncio.to_thread(_date_of, url)

    async def ask(self, uri: str) -> Answer | None:
        try:
            info = await info_of(uri, _ASK_SECONDS)
        except OSError:
            return None
        except ProtocolError:
            return Answer(wyoming=False)
        programs = [*info.tts, *info.asr, *info.wake, *info.handle, *info.intent]
        name = programs[0].name if programs else "a Wyoming server"
        version = (programs[0].version or "") if programs else ""
        return Answer(True, name, version, bool(info.asr))

    async def is_page(self, address: str) -> bool:
        answer: list[bytes] = []
        await within(_ASK_SECONDS, _health(address, answer))
        try:
            told = msgspec.json.decode(answer[0].partition(b"\r\n\r\n")[2]) if answer else None
        except msgspec.DecodeError:
            return False
        return isinstance(told, dict) and {"live", "ready", "engines"} <= told.keys()

    async def why_not(self, uri: str) -> str:
        if not uri.startswith("tcp://"):
            return self.disk(Path(uri.removeprefix("unix://")).parent).fault
        try:
            sockets = await listen_tcp(uri)
        except ConfigError as error:
            return str(error).removeprefix("uri: ")
        for one in sockets:
            one.close()
        return ""

    def addresses(self, host: str) -> Sequence[str]:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            return [str(one) for one in reachable_addresses(str(one[4][0]) for one in found)]
        except OSError:
            return []

    def holder(self, port: int) -> str:
        return port_holder(port)

    async def announced(self) -> Sequence[Seen]:
        return await _browse(_WYOMING)

    async def hears_itself(self) -> bool:
        name = f"doctor-{os.getpid()}"
        info = AsyncServiceInfo(
            _OURS, f"{name}.{_OURS}", port=9, addresses=[b"\x7f\0\0\1"], server=f"{name}.local."
        )
        try:
            async with AsyncExitStack() as after:
                zeroconf = AsyncZeroconf()
                after.push_async_callback(zeroconf.async_close)
                await (await zeroconf.async_register_service(info))
                return bool(await _browse(_OURS))
        except (ZeroconfError, RuntimeError) as error:
            raise OSError(str(error)) from error


def _why_no_folder(parent: Path) -> str:
    """Make a folder and remove it: permissions tell nothing of a file system like /proc."""
    try:
        Path(tempfile.mkdtemp(prefix=".doctor-", dir=parent)).rmdir()
    except OSError as error:
        # How much is free says that it is full.
        return "" if error.errno in FULL else error.strerror or str(error)
    return ""


async def _health(address: str, answer: list[bytes]) -> None:
    """Add the whole answer to GET /health, if anything answers."""
    host, _, port = address.rpartition(":")
    try:
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except OSError:
        return
    try:
        # localhost: other names are only answered where `http.hosts` has them
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer.append(await reader.readexactly(_MOST_BYTES))
    except asyncio.IncompleteReadError as whole:
        answer.append(whole.partial)
    except OSError:
        return
    finally:
        writer.close()


async def _browse(kind: str) -> list[Seen]:
    """Return what is announced of this kind, as a machine sees that has just begun to look."""
    names: set[str] = set()

    def changed(
        zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        names.add(name)

    try:
        async with AsyncExitStack() as after:
            zeroconf = AsyncZeroconf()
            after.push_async_callback(zeroconf.async_close)
            browser = AsyncServiceBrowser(zeroconf.zeroconf, kind, handlers=[changed])
            after.push_async_callback(browser.async_cancel)
            await asyncio.sleep(BROWSE_SECONDS)
            found = []
            for name in sorted(names):
                info = await zeroconf.async_get_service_info(kind, name, 1_000)
                if info is not None:
                    addresses = tuple(info.parsed_addresses())
                    found.append(Seen(name.removesuffix(f".{kind}"), addresses, info.port or 0))
            return found
    except (ZeroconfError, RuntimeError) as error:
        raise OSError(str(error)) from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Stays where it was asked: there the certificate of another address may not be trusted."""

    def redirect_request(self, *_: object) -> None:
        return None


def _date_of(url: str) -> float | None:
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 -- an address of ours
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_ASK_SECONDS) as answer:
            told = answer.headers["Date"]
    except HTTPError as error:  # a redirection, as a rule
        told = error.headers["Date"]
        error.close()
    except (OSError, HTTPException):
        return None
    try:
        return parsedate_to_datetime(told).timestamp() if told else None
    except ValueError:
        return None
