"""A machine that is as it should be, until a test stages a fault: a GPU host with all installed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from wyoming_csm.doctor.machine import Answer, Disk, Ran, Seen
from wyoming_csm.worker.csm.gpu_faults import Surroundings
from wyoming_csm.worker.csm.torch_facts import Card, TorchFacts, Weights

ROOT = Path(__file__).parents[2]
NVIDIA = frozenset({"nvidiactl", "card", "driver"})
RTX = Card("RTX 4090", (8, 9), 24_000_000_000, 23_000_000_000)
HERE = Surroundings(cuda="13.0", signs=NVIDIA, library=(13, 0))
FACTS = TorchFacts(
    "2.13.0+cu130",
    HERE,
    ("sm_75", "sm_80", "sm_90", "sm_120"),
    (RTX,),
    weights=Weights("here", "sesame/csm-1b in models"),
)
OURS = Answer(True, "wyoming-csm", "0.1.0")
NOON = 1_795_000_000.0


@dataclass
class FakeMachine:
    """See `Machine`; every answer may be another."""

    python: tuple[int, int] = (3, 13)
    processor: str = "x86_64"
    clone: Path | None = ROOT
    gpu_signs: frozenset[str] = NVIDIA
    packages: dict[str, str] | None = None  # None: as locked
    facts: TorchFacts | Ran | None = FACTS
    nvidia_smi: str | None = "580.95.05, 8.9, RTX 4090\n"
    disks: dict[str, Disk] = field(default_factory=dict)  # by the folder's name
    time: float = NOON
    their_time: float | None = NOON
    answers: dict[str, Answer] = field(default_factory=dict)  # by address
    pages: frozenset[str] = frozenset()  # addresses of our HTTP
    no_listening: str = ""
    lan: Sequence[str] = ("192.168.1.5",)  # where others reach what listens on all addresses
    process: str = ""
    network: Sequence[Seen] | OSError = ()
    multicast: bool | OSError = True
    ran: list[str] = field(default_factory=list)

    def signs(self) -> frozenset[str]:
        return self.gpu_signs

    def installed(self) -> Mapping[str, str]:
        return locked() if self.packages is None else self.packages

    def run(self, words: Sequence[str], seconds: float) -> Ran | None:
        self.ran.append(words[0])
        if words[0] == "nvidia-smi":
            return None if self.nvidia_smi is None else Ran(0, self.nvidia_smi)
        if isinstance(self.facts, TorchFacts):
            return Ran(0, f"a library's words\n{msgspec.json.encode(self.facts).decode()}\n")
        return self.facts

    def disk(self, folder: Path) -> Disk:
        return self.disks.get(folder.name, Disk(500_000_000_000))

    def now(self) -> float:
        return self.time

    async def date_of(self, url: str) -> float | None:
        return self.their_time

    async def ask(self, uri: str) -> Answer | None:
        return self.answers.get(uri)

    async def is_page(self, address: str) -> bool:
        return address in self.pages

    async def why_not(self, uri: str) -> str:
        return self.no_listening

    def addresses(self, host: str) -> Sequence[str]:
        return self.lan if host in ("0.0.0.0", "::") else [host]

    def holder(self, port: int) -> str:
        return self.process

    async def announced(self) -> Sequence[Seen]:
        if isinstance(self.network, OSError):
            raise self.network
        return self.network

    async def hears_itself(self) -> bool:
        if isinstance(self.multicast, OSError):
            raise self.multicast
        return self.multicast


def locked() -> dict[str, str]:
    """What requirements/ name, for a Python of 3.12 and newer."""
    found: dict[str, str] = {"torch": "2.13.0+cu130"}
    for name in ("csm", "coqui", "hibari", "base"):
        for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines():
            package, equal, rest = line.partition("==")
            if equal and "< '3." not in rest and not line.startswith(("#", " ")):
                found[package] = rest.split()[0]
    return found
