"""The installer beside the server: run, tried again, reported, and never left behind."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from wyoming_csm.installer import INSTALLER, NOTHING_TO_DO, install_engines


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installer that ends with the next of the codes in a file, and writes what it was told."""
    monkeypatch.setenv(INSTALLER, "set")
    path = tmp_path / "install.py"
    path.write_text(
        "import os, pathlib, sys\n"
        "folder = pathlib.Path(__file__).parent\n"
        "with open(folder / 'log', 'a') as log:\n"
        "    print(*sys.argv[1:], os.environ['TELLER'], file=log)\n"
        "code, _, rest = (folder / 'codes').read_text().partition(' ')\n"
        "(folder / 'codes').write_text(rest)\n"
        "if code == 'wait':\n"
        "    (folder / 'ready').write_text(str(os.getpid()))\n"
        "    os.read(0, 1)\n"
        "else: sys.exit(int(code))\n"
    )
    return path


@pytest.mark.parametrize(("codes", "reports"), [("0", 1), (str(NOTHING_TO_DO), 0), ("1 1 0", 1)])
async def test_it_runs_until_it_succeeds(script: Path, codes: str, reports: int) -> None:
    (script.parent / "codes").write_text(codes)
    calls: list[None] = []
    await install_engines(str(script), ("csm",), lambda: calls.append(None), pauses=(0.0,))
    assert len(calls) == reports
    asked = (script.parent / "log").read_text().splitlines()
    assert asked == ["engines csm engines"] * len(codes.split())
    assert INSTALLER not in os.environ


async def test_one_that_cannot_be_started_is_tried_again(
    script: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (script.parent / "codes").write_text("0")
    start, tries = asyncio.create_subprocess_exec, iter([OSError(24, "Too many open files")])

    async def fails_once(*words: Any, **more: Any) -> asyncio.subprocess.Process:
        for error in tries:
            raise error
        return await start(*words, **more)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", fails_once)
    installed: list[None] = []
    await install_engines(str(script), ("csm",), lambda: installed.append(None), pauses=(0.0,))
    assert installed == [None]
    assert "Too many open files" in caplog.text


async def test_it_ends_with_the_server(script: Path) -> None:
    (script.parent / "codes").write_text("wait")
    os.mkfifo(script.parent / "ready")
    task = asyncio.create_task(install_engines(str(script), (), lambda: None))
    pid = int(await asyncio.to_thread((script.parent / "ready").read_text))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_it_ends_with_a_server_that_is_killed(script: Path, tmp_path: Path) -> None:
    (script.parent / "codes").write_text("wait")
    os.mkfifo(script.parent / "ready")
    server = (
        "import asyncio, sys; from wyoming_csm.installer import install_engines;"
        "asyncio.run(install_engines(sys.argv[1], (), lambda: None))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", server, str(script))
    pid = int(await asyncio.to_thread((script.parent / "ready").read_text))
    watched = os.pidfd_open(pid)
    process.kill()
    await process.wait()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(watched, ended.set)
    try:
        async with asyncio.timeout(30):
            await ended.wait()
    finally:
        asyncio.get_running_loop().remove_reader(watched)
        os.close(watched)
