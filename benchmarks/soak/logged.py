"""A server's log, sorted: lines of each kind, and those that nobody expected."""

import re
from collections import Counter
from collections.abc import Iterable

_LINE = re.compile(r"\d{4}-\d\d-\d\d \S+ (?P<level>[A-Z]+) (?P<logger>\S+): (?P<text>.*)")
_VARIES = re.compile(r"/\S+|'[^']*'|\d+([.,:]\d+)*")
# What warnings may say, of clients that break and children that die.
EXPECTED = (
    r"^A sentence of \d+ characters went bad at its frame",  # the weights are random
    r"^speaker_\d goes on sounding different",
    r"^The clip .* is short",
    r" goes on for .* instead of ",
    r": its process (ended|is stopped|hangs).*; it starts again in ",
    r" repeats a sentence that failed: its process ",
    r" speaks for \S+ voices: its process ",
    r" failed too often, tried again in ",
    r"^A reply to .* failed: ",
    r"^No engine gave sound for ",
    r" cannot be fulfilled exactly: there is no voice ",
    r"^Refused a connection that does not speak HTTP",
    r"^Refused 127\.0\.0\.\d+: (more than|data_length is|an event|an? |the listener took nothing)",
    r" speaks for guest_\d, which cannot be used: ",
    r"^Refused 127\.0\.0\.\d+: the connection ended in the middle of an event",
    r"^Refused a connection of the balancer \S+ \(balancer\.proxies\): a PROXY line that is not ",
    r"^Refused a PROXY header at the HTTP port, from 127\.0\.0\.\d+, ",
    r"^Too many connections: ",
    r"^The lexicon \S+ cannot be used: ",
    r"^Voice 'guest_\d' cannot be used: ",
    r"^The clip \S+/guest_\d/clip\.wav cannot be used: ",  # it is still being copied
)
_EXPECTED = re.compile("|".join(EXPECTED))


def kinds(lines: Iterable[str]) -> tuple[Counter[str], list[str]]:
    """Count lines by what they say without their numbers and names; return the unexpected, too:
    what is no line of ours, errors, and warnings of no expected kind."""
    counts: Counter[str] = Counter()
    unexpected = []
    for line in lines:
        match = _LINE.fullmatch(line.rstrip("\n"))
        if match is None:
            counts["no line of ours"] += 1
            unexpected.append(line.rstrip("\n"))
            continue
        text = match["text"]
        counts[f"{match['level']} {match['logger']}: {_VARIES.sub('#', text)[:100]}"] += 1
        if match["level"] != "INFO" and not _EXPECTED.search(text):
            unexpected.append(line.rstrip("\n"))
    return counts, unexpected
