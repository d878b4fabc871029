"""Real replicas behind a real HAProxy: processes that are started, killed and ended here."""

import asyncio
import re
import shutil
import sys
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks.fixtures.fake_child import FakeSettings
from benchmarks.server import ROOT, free_port, until_open, until_speaking
from wyoming_csm.config import Config

CONFIGURATION = ROOT / "docker/scale/haproxy.cfg"
SOURCE = "127.0.2.1"  # of the balancer's connections: an address that is no caller's
_TEMPLATE = re.compile(r"    server-template \w+ \d+ [\w.-]+:(\d+) .*")
_SPOKEN = re.compile(r"(\S+:\d+) (\S+) ")  # of a line of HAProxy's log


@dataclass
class Replica:
    """A process of the server; `fake` stands for its CSM, if there is one."""

    name: str
    config: Config
    fake: FakeSettings | None
    process: asyncio.subprocess.Process | None = None

    @property
    def port(self) -> int:
        """Its port of Wyoming."""
        return int(self.config.uri.rpartition(":")[2])

    @property
    def http_port(self) -> int:
        """Its port of HTTP."""
        return int(str(self.config.http.address).rpartition(":")[2])

    @property
    def agent_port(self) -> int:
        """The port at which it says how much it can take."""
        return int(str(self.config.balancer.agent))

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process is not None
        return self.process.pid

    async def start(self) -> None:
        """Start it, and wait until it speaks."""
        fake = msgspec.json.encode(self.fake).decode() if self.fake else ""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.fixtures.replica",
            msgspec.json.encode(self.config).decode(), fake, cwd=ROOT,
        )  # fmt: skip
        await until_open(self.port, self.http_port, self.agent_port)
        await until_speaking(self.port)

    async def kill(self) -> None:
        """End it as `kill -9` does, and wait for that."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def drain(self) -> int:
        """Ask it to end, and wait until it has; return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return await self.process.wait()


@dataclass
class Balancer:
    """HAProxy with the configuration that users get, but for addresses."""

    replicas: Sequence[Replica]
    is_weighed: bool = True  # by what the replicas say themselves
    port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None
    served: dict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process is not None
        return self.process.pid

    def configuration(self) -> str:
        """Return the shipped configuration with these replicas and these ports."""
        text = CONFIGURATION.read_text(encoding="utf-8")
        text = re.sub(r"(?ms)^resolvers .*?^\n", "", text)
        text = text.replace("bind :10200", f"bind 127.0.0.1:{self.port}")
        text = text.replace("bind :8002", f"bind 127.0.0.1:{self.http_port}")
        if not self.is_weighed:
            text = re.sub(r"(?m)^ *default-server agent-check .*\n", "", text)
        return _TEMPLATE.sub(lambda found: self._servers(found[1] == "8002"), text)

    def _servers(self, http: bool) -> str:
        return "\n".join(
            f"    server {one.name} 127.0.0.1:{one.http_port if http else one.port}"
            f" agent-port {one.agent_port} source {SOURCE}"
            for one in self.replicas
        )

    async def start(self, folder: Path) -> None:
        """Start it, with its file in this folder, and wait until it listens on both."""
        if not (program := shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")):
            sys.exit("There is no haproxy here: apt-get install haproxy")
        file = folder / "haproxy.cfg"
        file.write_text(self.configuration(), encoding="utf-8")
        self.process = await asyncio.create_subprocess_exec(
            program, "-db", "-f", str(file), stdout=asyncio.subprocess.PIPE
        )
        await until_open(self.port, self.http_port)

    async def follow(self) -> None:
        """Note which replica served which connection, until HAProxy ends."""
        assert self.process is not None
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.note(line.decode(errors="replace"))

    def note(self, line: str) -> None:
        """Note one line of its log."""
        if found := _SPOKEN.search(line):
            self.served[found[1]].append(found[2])


@asynccontextmanager
async def balanced(
    configs: Sequence[Config], fake: FakeSettings | None, folder: Path, *, is_weighed: bool = True
) -> AsyncGenerator[Balancer]:
    """Run replicas behind HAProxy until the block ends; its log is complete then."""
    replicas = [Replica(f"r{n}", config, fake) for n, config in enumerate(configs)]
    balancer = Balancer(replicas, is_weighed)
    async with AsyncExitStack() as stack:
        for replica in replicas:
            stack.push_async_callback(_end, replica)
        await asyncio.gather(*(replica.start() for replica in replicas))
        stack.push_async_callback(_end, balancer)
        await balancer.start(folder)
        following = asyncio.create_task(balancer.follow())
        try:
            yield balancer
        finally:
            await _end(balancer)
            await following


async def _end(one: Replica | Balancer) -> None:
    if one.process is not None and one.process.returncode is None:
        one.process.terminate()
        await one.process.wait()
