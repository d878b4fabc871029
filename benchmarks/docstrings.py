"""A rough rule for docstrings that begin in the middle of a sentence, to be read on from a name.

A docstring is a sentence or an imperative if its first word can begin one: prepositions,
conjunctions, relative and personal pronouns and bare verb forms cannot, nor can a single word be
one.

    python -m benchmarks.docstrings [files or folders]
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_NO_BEGINNING = (
    "of for in with without within until once while if unless as at by on to from and or but "
    "also now then raises returns is are has have had was were be which who whom whose that "
    "those these this they them their its it he she before after between below above beyond "
    "none never always only both each either may might must can could cannot will would "
    "should safe cheap still about against less more into through than when where nothing "
    "nobody same another other others again all any some most least here there so such "
    "because since though although not no yes else otherwise already instead per via like "
    "whether unlike across along among around "
)


def begins_mid_sentence(docstring: str) -> bool:
    """Whether the first sentence of a docstring cannot stand without the name above it."""
    first = re.split(r"(?<=[.;:!?])\s|\n\n", docstring.strip())[0]
    words = re.findall(r"[A-Za-z']+|`[^`]*`", first)
    return len(words) < 2 or words[0].lower() in _NO_BEGINNING.split()


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Give the line, the name and the docstring of each function and class that has one."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            docstring = ast.get_docstring(node)
            if docstring is not None:
                yield node.lineno, node.name, docstring


def main() -> None:
    """Print those of the files and folders named that begin in the middle of a sentence."""
    paths = [Path(word) for word in sys.argv[1:]] or [Path("wyoming_csm")]
    files = [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]
    wrong = whole = 0
    for file in sorted(files):
        for line, name, docstring in docstrings(ast.parse(file.read_text(encoding="utf-8"))):
            whole += 1
            if begins_mid_sentence(docstring):
                wrong += 1
                print(f"{file}:{line} {name}: {docstring.splitlines()[0]}")
    print(wrong, "of", whole)


if __name__ == "__main__":
    main()
