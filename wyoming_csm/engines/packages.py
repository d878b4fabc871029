"""Whether an engine's packages are installed, found out without importing them."""

from collections.abc import Mapping
from importlib import invalidate_caches
from importlib.util import find_spec

from wyoming_csm.errors import EngineUnavailable


def require(packages: Mapping[str, str], cure: str) -> None:
    """`packages`: what is imported → what is installed. Raises EngineUnavailable."""
    invalidate_caches()  # they may have been installed while the server ran
    missing = [package for name, package in packages.items() if find_spec(name) is None]
    if missing:
        raise EngineUnavailable(f"not installed: {', '.join(missing)}", cure)
