#!/usr/bin/env python3
"""Writes config/example.yaml and docs/settings.md from the schema: run it after a change."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from wyoming_csm.config import Config
from wyoming_csm.settings import Setting, settings_of

ROOT = Path(__file__).resolve().parent.parent

HEAD = """\
# Every setting of wyoming-csm with its default. Copy what you change to config/config.yaml;
# what is left out stays as it is here. Made by script/describe_config.py.

"""
PAGE = """\
# Settings

All may be left out. They stand in `config/config.yaml` (YAML or JSON), a section's settings below
its name, as in [config/example.yaml](../config/example.yaml). Made by `script/describe_config.py`.

| setting | default | meaning |
|---|---|---|
"""


def example() -> str:
    """The text of config/example.yaml."""
    return HEAD + "".join(_entry(setting, "") for setting in settings_of(Config))


def page() -> str:
    """The text of docs/settings.md."""
    lines = [
        f"| `{s.path}` | {'' if s.needed else f'`{_plain(s.default)}`'} | {_meaning(s)} |\n"
        for s in _leaves()
    ]
    return PAGE + "".join(lines)


def _entry(setting: Setting, indent: str) -> str:
    if setting.parts:
        parts = "".join(_entry(part, indent + "  ") for part in setting.parts)
        return f"\n# {setting.description}\n{setting.name}:\n{parts}"
    return f"{indent}# {_meaning(setting)}\n{indent}{setting.name}: {_plain(setting.default)}\n"


def _leaves() -> Iterator[Setting]:
    for setting in settings_of(Config):
        yield from setting.parts or (setting, *setting.of_each)


def _meaning(setting: Setting) -> str:
    choices = f" ({', '.join(setting.choices)})" if setting.choices else ""
    return setting.description + choices


def _plain(value: Any) -> str:
    written: str = yaml.safe_dump(msgspec.to_builtins(value), default_flow_style=True, width=1_000)
    return written.removesuffix("\n").removesuffix("\n...")


if __name__ == "__main__":
    (ROOT / "config/example.yaml").write_text(example())
    (ROOT / "docs/settings.md").write_text(page())
