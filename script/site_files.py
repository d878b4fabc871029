"""A hook of MkDocs: files outside docs/ that a page links to become part of the site."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(
    r"\]\(\.\./([\w./-]+)"
)  # of a page in docs/, as a reader of the repository follows it
PREFIX = "files/"


def on_files(files: Any, config: Any) -> Any:
    """Add them, under `files/`, with their paths in the repository."""
    pages = Path(config.docs_dir).glob("*.md")
    linked = {path for page in pages for path in LINK.findall(page.read_text(encoding="utf-8"))}
    for path in sorted(linked):
        if (ROOT / path).is_file():
            # A document is shown as it is written: its own links lead through the repository.
            content = (ROOT / path).read_text(encoding="utf-8")
            files.append(File.generated(config, f"{PREFIX}{path}.txt", content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lead the links to them."""
    return LINK.sub(rf"]({PREFIX}\1.txt", markdown)
