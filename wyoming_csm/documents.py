"""A file of settings, YAML or JSON, to plain objects: nothing is dropped or guessed silently."""

import json
import stat
from collections.abc import Hashable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 256 * 1024  # some thousand times what settings need; PyYAML reads 1 MiB in seconds
_DEEPEST = 64  # brackets in brackets: PyYAML looks through all that are open at each word


class DocumentError(Exception):
    """The file cannot be used; the text says why, in one line, without its name."""


def read_document(path: Path) -> Any:
    """Read a file; return a table without entries if it is empty. Raises DocumentError."""
    return parse_document(read_text(path))


def read_text(path: Path) -> str:
    """Return the text of a file of settings. Raises DocumentError."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
            raise DocumentError("it is not a file")
        if status.st_size > MAX_BYTES:
            raise DocumentError(f"it is larger than {MAX_BYTES // 1024} KiB")
        with path.open("rb") as file:
            return file.read(MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(f"it is not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise DocumentError(error.strerror or str(error)) from error


def parse_document(text: str) -> Any:
    """Parse YAML or JSON; return a table without entries if it is empty. Raises DocumentError."""
    document = _parse(text)
    return {} if document is None else document


def _parse(text: str) -> Any:
    # JSON is tried for itself: YAML refuses the tabs that JSON may hold.
    if text.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):  # a flow mapping of YAML looks the same
            return json.loads(text, object_pairs_hook=_without_duplicates)
    try:
        return yaml.load(text, _Loader)  # noqa: S506 -- a safe one, see below
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise DocumentError(f"{where}{error.problem or error.context}") from error
    except RecursionError as error:
        raise DocumentError("it is nested too deep") from error
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
        # the last four: PyYAML's own way to say that 2024-13-45 or `!!bool x` is nothing
        raise DocumentError(" ".join(str(error).split())) from error


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise DocumentError(f"{key!r} is set twice")
        found[key] = value
    return found


class _Loader(yaml.SafeLoader):
    """Loads safe YAML in which a key cannot be set twice, and brackets are open only so deep."""

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:
        if self.flow_level == _DEEPEST:
            raise DocumentError(f"line {self.line + 1}: brackets are nested too deep")
        super().fetch_flow_collection_start(TokenClass)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    line = key.start_mark.line + 1
                    raise DocumentError(f"line {line}: {key.value!r} is set twice")
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)
