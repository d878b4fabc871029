"""The server that is soaked: its real command line, its configuration, its files, its log."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.server import ROOT, free_port, until_open

IDLE_UNLOAD = 60  # seconds without a request, after which CSM's child is ended
CONNECTIONS, PER_ADDRESS = 48, 16
BALANCER = "127.0.0.200"  # where one connects from
END_SECONDS = 60.0  # a server that was asked to end has so many, then it is killed
_PRESETS = {"softly": {"voice": "speaker_1", "gain": -6, "rate": 0.9}}


@dataclass(frozen=True)
class Served:
    """A running server. `folder` has its voices, data, temporary files and its log."""

    process: asyncio.subprocess.Process
    folder: Path
    port: int
    http_port: int
    agent_port: int

    @property
    def ports(self) -> tuple[int, int, int]:
        """Wyoming's, HTTP's and the agent's."""
        return self.port, self.http_port, self.agent_port

    @property
    def voices(self) -> Path:
        return self.folder / "voices"

    @property
    def lexicon(self) -> Path:
        return self.folder / "lexicon.yaml"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def temporary(self) -> Path:
        return self.folder / "temporary"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def look_again(self) -> None:
        """Have it look at engines and voices again."""
        self.process.send_signal(signal.SIGHUP)

    async def end(self) -> int:
        """End it, by force where it does not end by itself, and return its exit code."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            async with asyncio.timeout(END_SECONDS):
                return await self.process.wait()
        except TimeoutError:
            self.process.kill()
            return await self.process.wait()


def configuration(
    folder: Path,
    checkpoint: Path,
    port: int,
    http_port: int,
    agent_port: int,
    idle_unload: int = IDLE_UNLOAD,
) -> dict[str, object]:
    """Make settings in which what takes minutes in a home takes seconds, and caches are small."""
    return {
        "uri": f"tcp://127.0.0.1:{port}",
        "engines": ["csm", "system"],
        "voice": "system_en-US",
        "voices": str(folder / "voices"),
        "lexicon": str(folder / "lexicon.yaml"),
        "data_dir": str(folder / "data"),
        "presets": _PRESETS,
        "csm": {
            "checkpoint": str(checkpoint),
            "device": "cpu",
            "compile": False,
            "slots": 2,
            "max_seconds": 1.0,
            "prompt_cache_mb": 4,
            "idle_unload": f"{idle_unload}s",
        },
        "cache": {"megabytes": 1},
        "discovery": {"enabled": False},
        "http": {"address": f"127.0.0.1:{http_port}"},
        "balancer": {"agent": agent_port, "proxies": [BALANCER]},
        "limits": {
            "connections": CONNECTIONS,
            "connections_per_address": PER_ADDRESS,
            "text_characters": 2_000,
            "event_seconds": 2.0,
            "idle_seconds": 6.0,
            "stall_seconds": 4.0,
        },
    }


@asynccontextmanager
async def served(
    folder: Path, checkpoint: Path, idle_unload: int = IDLE_UNLOAD
) -> AsyncGenerator[Served]:
    """Serve until the block ends; `folder` is empty and stays as the server left it."""
    for name in ("voices", "data", "temporary"):
        (folder / name).mkdir(parents=True)
    ports = free_port(), free_port(), free_port()
    file = folder / "config.json"
    file.write_text(json.dumps(configuration(folder, checkpoint, *ports, idle_unload)))
    environment = {
        **os.environ,
        "TMPDIR": str(folder / "temporary"),
        "OMP_NUM_THREADS": "1",  # threads that spin while they wait would be all that is measured
        "MKL_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    with (folder / "server.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "wyoming_csm", "--config", str(file),
            cwd=folder, env=environment, stderr=log,
        )  # fmt: skip
    server = Served(process, folder, *ports)
    try:
        await until_open(*ports)
        yield server
    finally:
        await server.end()
