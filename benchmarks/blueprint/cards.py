"""The cards that are made up: one of each generation whose code PyTorch's CUDA build holds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """What a compiler and PyTorch's own choices ask of a card; from NVIDIA's data sheets."""

    name: str
    major: int
    minor: int
    processors: int  # streaming multiprocessors
    l2: int  # bytes
    shared: int  # bytes of shared memory that a block may ask for
    threads: int  # a processor holds
    gigabytes: int

    @property
    def capability(self) -> int:
        """The number in `sm_90`."""
        return 10 * self.major + self.minor

    def macros(self) -> dict[str, str]:
        """Return what the stub's C source is compiled with."""
        return {
            "CARD_NAME": f'"{self.name}"',
            "CARD_MAJOR": str(self.major),
            "CARD_MINOR": str(self.minor),
            "CARD_PROCESSORS": str(self.processors),
            "CARD_L2": str(self.l2),
            "CARD_SHARED": str(self.shared),
            "CARD_THREADS": str(self.threads),
            "CARD_MEMORY": f"({self.gigabytes}ull << 30)",
        }


_KB, _MB = 1 << 10, 1 << 20
_ALL = (
    Card("T4", 7, 5, 40, 4 * _MB, 64 * _KB, 1024, 16),
    Card("A100", 8, 0, 108, 40 * _MB, 163 * _KB, 2048, 40),
    Card("RTX 3060", 8, 6, 28, 3 * _MB, 99 * _KB, 1536, 12),
    Card("RTX 4090", 8, 9, 128, 72 * _MB, 99 * _KB, 1536, 24),
    Card("H100", 9, 0, 132, 50 * _MB, 227 * _KB, 2048, 80),
    Card("B200", 10, 0, 148, 126 * _MB, 227 * _KB, 2048, 180),
    Card("RTX 5090", 12, 0, 170, 96 * _MB, 99 * _KB, 1536, 32),
)
CARDS = {card.capability: card for card in _ALL}
