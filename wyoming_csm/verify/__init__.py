"""`wyoming-csm verify`: a checkpoint through transformers and through this engine.

What must be installed for it is known here without importing any of it.
"""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from wyoming_csm.errors import EngineUnavailable

OLDEST, FIRST_UNTRIED = (5, 17), (5, 25)  # of transformers: tried with both ends of this range
_PACKAGES = ("torch", "transformers", "safetensors", "tokenizers")


def version_of(package: str) -> str | None:
    """Return the version of a package that is installed; None: it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def require_packages(find: Callable[[str], str | None] = version_of) -> None:
    """Raise EngineUnavailable, which says what to install, if anything is missing or untried."""
    missing = [name for name in _PACKAGES if find(name) is None]
    if missing:
        raise EngineUnavailable(
            f"not installed: {', '.join(missing)}",
            "./run.sh (without --light) installs them where a GPU is, or pip install '.[csm]'",
        )
    found = find("transformers") or ""
    major, minor = found.split(".")[:2]
    if not OLDEST <= (int(major), int(minor)) < FIRST_UNTRIED:
        wanted = ">={}.{},<{}.{}".format(*OLDEST, *FIRST_UNTRIED)
        raise EngineUnavailable(
            f"transformers {found} is installed, with which this was never tried",
            f"pip install 'transformers{wanted}'",
        )
