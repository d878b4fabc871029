"""How long one computation may take before it counts as hung."""

LEAST_SECONDS = 15.0  # on a CPU, which others may keep busy
LEAST_ON_GPU_SECONDS = 10.0  # a frame takes milliseconds, a long prefill a second
MOST_SECONDS = 600.0
_MARGIN = 4.0  # over what is expected: other texts, other work on the machine
_UNKNOWN = 0.02  # seconds for each character, where nothing was measured yet
_FORGOTTEN = 0.2  # of a slower pace, with each sentence that was faster


def limit(expected: float, least: float = LEAST_SECONDS) -> float:
    """Return the limit of a computation that should take `expected` seconds."""
    return min(MOST_SECONDS, max(least, _MARGIN * expected))


class SentencePace:
    """How long the longest computation of a sentence takes for each character, by voice."""

    def __init__(self) -> None:
        self._each: dict[str, float] = {}  # seconds, by voice

    def expected(self, voice: str, text: str) -> float:
        """Return seconds; a voice that said nothing yet counts as the slowest that did."""
        each = self._each.get(voice) or max(self._each.values(), default=_UNKNOWN)
        return each * len(text)

    def observe(self, voice: str, text: str, seconds: float) -> None:
        """Note one that was made. Slower counts at once, faster little by little."""
        each = seconds / max(1, len(text))
        known = self._each.get(voice, each)
        self._each[voice] = max(each, known + _FORGOTTEN * (each - known))
