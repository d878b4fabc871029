#!/usr/bin/env python3
"""Writes config/example.yaml and the table in README.md from the schema: run it after a change."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from wyoming_csm.config import Config
from wyoming_csm.settings import Setting, settings_of

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- settings: made by script/describe_config.py -->", "<!-- end of settings -->"

HEAD = """\
# Every setting of wyoming-csm with its default. Copy what you change to config/config.yaml;
# what is left out stays as it is here. Made by script/describe_config.py.

"""


def example() -> str:
    """The text of config/example.yaml."""
    return HEAD + "".join(_entry(setting, "") for setting in settings_of(Config))


def table() -> str:
    """The table of the README, with the marks around it."""
    rows = [f"| `{s.path}` | `{_plain(s.default)}` | {_meaning(s)} |" for s in _leaves()]
    return "\n".join((BEGIN, "| setting | default | meaning |", "|---|---|---|", *rows, END))


def with_table(readme: str) -> str:
    """The README's text with the table as it should be."""
    before, mark, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (mark and end):
        raise SystemExit("README.md: the marks around the table of settings are missing")
    return before + table() + after


def _entry(setting: Setting, indent: str) -> str:
    if setting.parts:
        parts = "".join(_entry(part, indent + "  ") for part in setting.parts)
        return f"\n# {setting.description}\n{setting.name}:\n{parts}"
    return f"{indent}# {_meaning(setting)}\n{indent}{setting.name}: {_plain(setting.default)}\n"


def _leaves() -> Iterator[Setting]:
    for setting in settings_of(Config):
        yield from setting.parts or (setting,)


def _meaning(setting: Setting) -> str:
    choices = f" ({', '.join(setting.choices)})" if setting.choices else ""
    return setting.description + choices


def _plain(value: Any) -> str:
    written: str = yaml.safe_dump(msgspec.to_builtins(value), default_flow_style=True, width=1_000)
    return written.removesuffix("\n").removesuffix("\n...")


if __name__ == "__main__":
    (ROOT / "config/example.yaml").write_text(example())
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text()))
