"""The numbers in docs/security.md are the defaults and the constants of the code."""

from tests.guards.__main__ import ROOT
from wyoming_csm.config import Limits
from wyoming_csm.server.http.judging import AT_ONCE
from wyoming_csm.server.rate_limited_log import QUIET_SECONDS
from wyoming_csm.text.reader import LONGEST_SILENCE
from wyoming_csm.text.ssml import DEEPEST
from wyoming_csm.voice_book import MAX_VOICES
from wyoming_csm.worker.fair_queue import MOST_WAITING
from wyoming_csm.worker.judge import LIMIT_SECONDS
from wyoming_csm.worker.protocol import MAX_MESSAGE_BYTES

LIMITS = Limits()
MIB = 2**20


def test_what_each_can_cost() -> None:
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    said = page.partition("## What each can cost")[2].partition("\n## ")[0]
    event = LIMITS.header_bytes + LIMITS.data_bytes + LIMITS.payload_bytes
    each, all_in_all = LIMITS.connections_per_address, LIMITS.connections
    numbers = ("no", "one", "two", "three", "four")
    characters = f"{LIMITS.text_characters:,}".replace(",", " ")
    for phrase in (
        f"a line of the log in {QUIET_SECONDS:.0f} seconds",
        f"{each} connections, on each {LIMITS.waiting_requests} texts of {characters} characters",
        f"one event of {event // 1024} KiB",
        f"{MOST_WAITING} sentences wait in an engine",
        f"for {LIMITS.stall_seconds:.0f} seconds",
        f"recordings of {LIMITS.upload_bytes // MIB} MiB",
        f"{each * LIMITS.upload_bytes / 2**30:g} GiB there from one address",
        f"{all_in_all * LIMITS.upload_bytes / 2**30:g} GiB in all",
        f"{numbers[AT_ONCE]} at a time, in a process of its own",
        f"that ends after {LIMIT_SECONDS} seconds at the latest",
        f"{MAX_VOICES} of them, then no more",
        f"{MAX_VOICES * LIMITS.upload_bytes / 2**30:g} GiB of disk",
        f"{characters} characters, {DEEPEST} elements of SSML",
        f"{LONGEST_SILENCE:.0f} s of pauses",
        f"{MAX_MESSAGE_BYTES // MIB} MiB in one message",
    ):
        assert phrase in said, phrase
