"""What the documents hold, as tests read them: commands, examples, links, headings."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Document:
    """A file of Markdown."""

    path: Path

    @property
    def name(self) -> str:
        """Its path in the repository."""
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        """All but what stands between fences."""
        return FENCE.sub("", self.text)

    @property
    def code(self) -> list[str]:
        """What stands between backticks in the prose."""
        return re.findall(r"`([^`\n]+)`", self.prose)

    def blocks(self, language: str) -> list[str]:
        """What stands between fences in this language."""
        return [block for kind, block in FENCE.findall(self.text) if kind == language]

    @property
    def commands(self) -> list[str]:
        """The lines of all shell blocks, without comments; a continued line is one."""
        lines = "\n".join(self.blocks("sh")).replace("\\\n", " ").splitlines()
        bare = (re.sub(r"(^|\s+)#\s.*", "", line).strip() for line in lines)
        return [line for line in bare if line]

    @property
    def links(self) -> list[str]:
        """Where its links lead, as they are written; those in angle brackets, too."""
        prose = re.sub(r"`[^`\n]+`", "", self.prose)
        return re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r"<(https?://[^>]+)>", prose)

    @property
    def anchors(self) -> set[str]:
        """The names that its headings have in a link."""
        headings = re.findall(r"^#+ (.*)$", self.prose, flags=re.MULTILINE)
        return {anchor(heading) for heading in headings}


def anchor(heading: str) -> str:
    """The name of a heading in a link, as GitHub and MkDocs make it of plain words."""
    bare = re.sub(r"[^\w\s-]", "", heading.lower())
    return bare.strip().replace(" ", "-")


DOCUMENTS = [
    Document(path)
    for path in (
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
        ROOT / "config/voices/README.md",
        *sorted((ROOT / "docs").glob("*.md")),
    )
]
