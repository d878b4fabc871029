"""Whether an engine's packages are installed, found out without importing them."""

import os
from collections.abc import Mapping
from importlib import invalidate_caches
from importlib.util import find_spec

from wyoming_csm.errors import EngineUnavailable

INSTALLER = "WYOMING_CSM_INSTALLER"  # set by run.sh, until its installer has done its work


def require(packages: Mapping[str, str], cure: str) -> None:
    """`packages`: what is imported → what is installed. Raises EngineUnavailable; where an
    installer is at work nobody is told to start one."""
    invalidate_caches()  # they may have been installed while the server ran
    missing = [package for name, package in packages.items() if find_spec(name) is None]
    if missing and os.environ.get(INSTALLER):
        raise EngineUnavailable(
            "not installed yet",
            "./run.sh is installing what this machine can use",
            expected=True,
        )
    if missing:
        raise EngineUnavailable(f"not installed: {', '.join(missing)}", cure)
