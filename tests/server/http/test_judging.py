"""The processes that recordings are judged in: ended with who asked, and their deaths explained."""

import asyncio
import os
import sys
import threading
from http import HTTPStatus
from pathlib import Path

import pytest

from wyoming_csm.errors import VoiceError
from wyoming_csm.server.http.judging import AT_ONCE, Judging
from wyoming_csm.server.http.problems import Refused
from wyoming_csm.voice_files import Judge

ENDS = "import os, signal; os.kill(os.getpid(), signal.{})"
KNOWS_NO_TOKEN = "import os; raise SystemExit(4 if 'HF_TOKEN' in os.environ else 3)"
STAYS = """
import os, signal, sys
with open(os.path.join(sys.argv[1], "began"), "w") as began:
    began.write(str(os.getpid()))
signal.pause()
"""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (ENDS.format("SIGALRM"), "took longer than 60 s"),
        (ENDS.format("SIGKILL"), r"failed \(signal 9\): convert it to WAV"),
        (KNOWS_NO_TOKEN, r"failed \(exit code 3\): convert it to WAV"),
    ],
)
async def test_a_process_that_dies_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, words: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    judging = Judging((sys.executable, "-c", code))
    with pytest.raises(VoiceError, match=words):
        await judging.run(lambda judge: judge(tmp_path, None))
    judging.close()


async def test_where_no_process_can_be_started_one_may_ask_again(tmp_path: Path) -> None:
    judging = Judging((str(tmp_path / "no-such-program"),))
    with pytest.raises(Refused, match="no process can be started") as told:
        await judging.run(lambda judge: judge(tmp_path, None))
    assert told.value.status == HTTPStatus.SERVICE_UNAVAILABLE
    judging.close()


async def test_who_leaves_ends_the_process_and_the_work_before_that_is_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "began")
    tidied: list[bool] = []

    def work(judge: Judge) -> None:
        try:
            judge(tmp_path, None)
        finally:
            tidied.append(True)

    judging = Judging((sys.executable, "-c", STAYS))
    asked = asyncio.create_task(judging.run(work))
    process = int(await asyncio.to_thread((tmp_path / "began").read_text))
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert tidied
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    judging.close()


async def test_only_so_many_are_judged_at_a_time() -> None:
    judging, over, before = Judging(), threading.Event(), set(threading.enumerate())
    asked = [asyncio.create_task(judging.run(lambda _: over.wait(60.0))) for _ in range(9)]
    await asyncio.sleep(0)  # all of them ask
    threads = set(threading.enumerate()) - before
    over.set()
    assert await asyncio.gather(*asked) == [True] * 9
    assert len(threads) == AT_ONCE
    judging.close()
