"""docs/architecture.md against the tree: every file that it names exists, every folder is named."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "wyoming_csm"
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def is_there(name: str) -> bool:
    return (PACKAGE / name).exists() or (ROOT / name).exists()


def test_every_file_that_is_named_exists() -> None:
    named = set(re.findall(r"[\w./-]+\.(?:py|md|toml)\b", TEXT))
    named |= set(re.findall(r"`(script/\w+)`", TEXT))
    assert len(named) > 40
    assert [name for name in sorted(named) if not is_there(name)] == []


def test_every_station_of_the_diagrams_exists() -> None:
    folders = "|".join(path.name for path in PACKAGE.iterdir() if path.is_dir())
    named = set(re.findall(rf"(?<![\w/])((?:{folders})(?:/\w+)+)(?![\w/.])", TEXT))
    assert len(named) > 10
    missing = [name for name in named if not is_there(name) and not is_there(f"{name}.py")]
    assert missing == []


def test_every_folder_is_named() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE}
    assert [
        path.name for path in sorted(folders) if not re.search(rf"^ +{path.name}/ ", TEXT, re.M)
    ] == []


def test_every_file_of_the_top_level_is_named() -> None:
    files = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}
    assert [name for name in sorted(files) if name not in TEXT] == []
