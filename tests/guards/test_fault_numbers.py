"""The numbers in docs/faults.md are the constants of the code, and the times of HAProxy's file."""

import re

from benchmarks.fleet.faults import SEEN_SECONDS
from tests.faults.balancing import WITHIN
from tests.guards.__main__ import ROOT
from wyoming_csm import silent_disk
from wyoming_csm.audio import BYTES_PER_SECOND
from wyoming_csm.engines import child_engine
from wyoming_csm.engines.choice import LOADING_SECONDS
from wyoming_csm.engines.watchdog import MOST_DEATHS, STALL_SECONDS, Timeouts
from wyoming_csm.server.http.house import CHANGE_SECONDS
from wyoming_csm.server.rate_limited_log import QUIET_SECONDS
from wyoming_csm.silent_disk import ANSWER_SECONDS
from wyoming_csm.sound.pacing import FIRST_SOUND_SECONDS
from wyoming_csm.worker.csm import speaker_files
from wyoming_csm.worker.csm.clips import READ_SECONDS
from wyoming_csm.worker.csm.cost import FRAMES_PER_SECOND
from wyoming_csm.worker.csm.guard import LOOK_AHEAD
from wyoming_csm.worker.csm.usual import frame_limit
from wyoming_csm.worker.pipe import LEAST_ON_GPU_SECONDS, LEAST_SECONDS, limit_seconds
from wyoming_csm.worker.sentence_loop import MAX_CHUNK_BYTES

PAGE = " ".join((ROOT / "docs/faults.md").read_text(encoding="utf-8").split())
HAPROXY = (ROOT / "docker/scale/haproxy.cfg").read_text(encoding="utf-8")
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def unsaid(*phrases: str) -> list[str]:
    return [phrase for phrase in phrases if phrase not in PAGE]


def test_how_long_a_process_is_waited_for() -> None:
    usual = Timeouts()
    assert not unsaid(
        f"parts are {MAX_CHUNK_BYTES / BYTES_PER_SECOND:g} s long",
        f"held back for {FIRST_SOUND_SECONDS:g} s at most",
        f"takes {WORDS[int(limit_seconds(100.0) / 100)]} times as long as it should",
        f"after {LEAST_ON_GPU_SECONDS:g} s on a GPU, {LEAST_SECONDS:g} s on a CPU",
        f"after {STALL_SECONDS:g} s; after {usual.silent:g} s it is ended",
        f"tried {WORDS[MOST_DEATHS]} times, then after minutes, at most {max(usual.rests) / 60:g};",
        f"{child_engine.MOST_SECONDS:g} s and a second for each of its characters",
        f"system voice alone, after {2 * LEAST_SECONDS + usual.restart:g} s and that start",
        f"says it once in {WORDS[int(QUIET_SECONDS)]} seconds",
        f"once it has loaded; after {LOADING_SECONDS:g} s an `error`",
    )
    assert child_engine.MOST_EACH == 1
    assert min(usual.rests) >= 60


def test_how_long_a_disk_is_waited_for() -> None:
    assert not unsaid(
        f"the first sentence waits for {ANSWER_SECONDS:g} s",
        f"another voice after {ANSWER_SECONDS:g} s, or at once",
        f"a 500 with the reason after {CHANGE_SECONDS:g} s",
        f"by the next engine, after {READ_SECONDS:g} s. The recording",
        f"The process waits for {speaker_files.LOOK_SECONDS:g} s, once",
    )
    assert silent_disk.QUIET_SECONDS == 60
    assert "once a minute which folder" in PAGE


def test_how_long_a_model_that_never_ends_is_listened_to() -> None:
    def seconds(text: str) -> float:
        return frame_limit(text, 1_000.0, 100_000) / FRAMES_PER_SECOND

    least = seconds("")
    character, word = (seconds("a" * 100) - least) / 100, (seconds("1" * 100) - least) / 100
    said = f"{least:.2g} s and {character:.1g} s for each character, or {word:.2g} s for each word"
    assert said in PAGE
    assert "here less than a second more" in PAGE
    assert LOOK_AHEAD / FRAMES_PER_SECOND < 1


def test_how_long_haproxy_takes_to_find_out() -> None:
    (line,) = re.findall(r"default-server weight .+", HAPROXY)
    times = dict(re.findall(r"(inter|fall|rise|slowstart) (\d+)s?\b", line))
    inter, fall, rise, slowstart = (int(times[n]) for n in ("inter", "fall", "rise", "slowstart"))
    (check,) = map(int, re.findall(r"timeout check (\d+)s\n", HAPROXY))
    assert (inter, rise) == (1, 1)
    assert not unsaid(
        f"looks at each every second, and takes it for dead after {WORDS[fall]} looks in vain",
        f"until HAProxy has found it out, for {fall * inter} s",
        f"it is found within a second, and gets its share within {WORDS[slowstart]}",
        f"the connection's end within {WITHIN:g} s, when HAProxy has found it out",
        f"the same, within {WITHIN:g} s:",
    )
    # The first look may have just gone well; each of the others waits for an answer to its end.
    assert WITHIN - 1 <= fall * (inter + check) <= WITHIN
    assert fall * (inter + check) == SEEN_SECONDS, "of the simulated fleet"
