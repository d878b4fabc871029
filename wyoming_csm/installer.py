"""The packages of the engines: whether they are there, and what installs them beside the server."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import invalidate_caches
from importlib.util import find_spec
from itertools import chain, repeat

from wyoming_csm.errors import EngineUnavailable

_LOGGER = logging.getLogger(__name__)

INSTALLER = "WYOMING_CSM_INSTALLER"  # set by run.sh, until its installer has done its work
NOTHING_TO_DO = 3  # its exit code where all was there already
# Seconds until it is tried again: a network may come back, or a disk be cleared.
PAUSES = (60.0, 300.0, 900.0)


async def install_engines(
    script: str,
    engines: Sequence[str],
    installed: Callable[[], None],
    pauses: tuple[float, ...] = PAUSES,
) -> None:
    """Run the installer for these until it succeeds; call `installed` if it installed something.

    The installer logs what it does. It reads from a pipe that only this process holds, so that it
    ends with the server, however that ends; when this is cancelled it is ended at once.
    """
    for pause in chain(pauses, repeat(pauses[-1])):
        code = await _run(script, engines)
        if code in (0, NOTHING_TO_DO):
            os.environ.pop(INSTALLER, None)  # what is missing now is for the user to install
            if code == 0:
                installed()
            return
        _LOGGER.warning("No engine was installed: tried again in %.0f min", pause / 60)
        await asyncio.sleep(pause)


async def _run(script: str, engines: Sequence[str]) -> int:
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, script, "engines", *engines),
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,  # what it starts ends with it; the terminal's signals pass by
            env={**os.environ, "TELLER": "engines"},
        )
    except OSError as error:  # no descriptor, no memory, no process is left
        _LOGGER.warning("The installer cannot be started: %s", error)
        return 1
    try:
        return await process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def require(packages: Mapping[str, str], cure: str) -> None:
    """Raise EngineUnavailable if one of `packages` (imported as → installed as) is missing. They
    are not imported. While an installer is at work, the cure is to wait for it."""
    invalidate_caches()  # they may have been installed while the server ran
    missing = [package for name, package in packages.items() if find_spec(name) is None]
    if missing and os.environ.get(INSTALLER):
        raise EngineUnavailable(
            "not installed yet", "./run.sh is installing what this machine can use", expected=True
        )
    if missing:
        raise EngineUnavailable(f"not installed: {', '.join(missing)}", cure)
