"""Counts what the package is like to read, beside another commit.

    python -m benchmarks.codebase [--against COMMIT] [--no-trace]

Sizes and shapes from the source, words that have several meanings by where they stand, and what one
sentence enters when a real server speaks it (see `sentence_path`). Both commits are counted by this
code. Prints a table, then one line of JSON.
"""

import argparse
import ast
import asyncio
import io
import json
import re
import statistics
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.docstrings import begins_mid_sentence, docstrings
from benchmarks.sentence_path import Entered, lines_of, traced_in
from benchmarks.server import ROOT

# Each is to have one meaning at most.
WORDS = {
    "heard": ("hear", "hears", "heard", "hearing"),
    "kept": ("keep", "keeps", "kept", "keeping", "keeper"),
    "place": ("place", "places", "placed"),
    "piece": ("piece", "pieces"),
    "rows": ("row", "rows"),
    "spell": ("spell", "spells", "spelled", "spelt", "spelling"),
    "settle": ("settle", "settles", "settled", "settling"),
}
_LOGS = r"_LOGGER\.(debug|info|warning|error|exception|log)"
_Function = ast.FunctionDef | ast.AsyncFunctionDef
Found = dict[str, int | float | list[str]]


@dataclass(frozen=True)
class Source:
    """One file of a checkout, read and parsed."""

    name: str  # below the checkout
    text: str
    tree: ast.Module

    @property
    def functions(self) -> Iterator[_Function]:
        """Every function and method, those inside others too."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node

    @property
    def classes(self) -> Iterator[ast.ClassDef]:
        """Every class."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))


def main() -> None:
    """Count, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", metavar="COMMIT", help="of this repository, or a checkout")
    parser.add_argument("--no-trace", action="store_true", help="start no server")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        trees = {"now": ROOT}
        if options.against:
            trees = {"before": checked_out(options.against, Path(made)), **trees}
        found = {title: count(tree, not options.no_trace) for title, tree in trees.items()}
    print("\n".join(table(found)))
    print(json.dumps({"against": options.against, **found}))


def checked_out(commit: str, folder: Path) -> Path:
    """Return a folder with the files of a commit; one that is a folder already is its own."""
    if Path(commit).is_dir():
        return Path(commit).resolve()
    archive = subprocess.run(
        ["git", "archive", "--format=tar", commit], cwd=ROOT, check=True, stdout=subprocess.PIPE
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def count(tree: Path, trace: bool) -> Found:
    """Count everything of a checkout."""
    package = sources(tree / "wyoming_csm", tree)
    found = {**sizes(package), **shapes(package), **engines(package), **words(tree, package)}
    if trace:
        found |= path(tree, asyncio.run(traced_in(tree)))
    return found


def sources(folder: Path, tree: Path) -> list[Source]:
    """Read the Python files below a folder."""
    texts = {file: file.read_text(encoding="utf-8") for file in sorted(folder.rglob("*.py"))}
    return [
        Source(str(file.relative_to(tree)), text, ast.parse(text)) for file, text in texts.items()
    ]


def sizes(package: list[Source]) -> Found:
    """Lines, modules (but for empty ones and those that only say what a folder is), folders."""
    modules = [source for source in package if not source.name.endswith("/__init__.py")]
    lines = [len(source.text.splitlines()) for source in modules]
    flat = [source for source in modules if source.name.count("/") == 2]
    return {
        "package lines": sum(len(source.text.splitlines()) for source in package),
        "modules": len(modules),
        "modules under 80 lines": sum(n < 80 for n in lines),
        "longest module": max(lines),
        "flat modules in worker/": sum("/worker/" in source.name for source in flat),
        "classes": sum(1 for source in package for _ in source.classes),
    }


def shapes(package: list[Source]) -> Found:
    """Functions and docstrings."""
    functions = [function for source in package for function in source.functions]
    lengths = [length(function) for function in functions]
    texts = [text for source in package for _, _, text in docstrings(source.tree)]
    constructors = [
        len(parameters(function)) for function in functions if function.name == "__init__"
    ]
    return {
        "functions": len(functions),
        "function lines, median": statistics.median(lengths),
        "function lines, 90th percentile": statistics.quantiles(lengths, n=10)[-1],
        "function lines, longest": max(lengths),
        "functions fully typed, %": round(100 * sum(map(is_typed, functions)) / len(functions), 1),
        "constructor parameters, most": max(constructors),
        "docstrings": len(texts),
        "docstrings begun mid-sentence": sum(map(begins_mid_sentence, texts)),
    }


def length(function: _Function) -> int:
    """Count a function's lines without its docstring."""
    end = function.end_lineno or function.lineno
    first = function.body[0]
    lines = end - function.lineno + 1
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def parameters(function: _Function) -> list[ast.arg]:
    """Return what a function is given, without `self` and `cls`."""
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    every += [one for one in (given.vararg, given.kwarg) if one is not None]
    return [one for one in every if one.arg not in ("self", "cls")]


def is_typed(function: _Function) -> bool:
    """Whether the result and each parameter have a type."""
    return function.returns is not None and all(one.annotation for one in parameters(function))


def engines(package: list[Source]) -> Found:
    """The protocols of engines and replies, what fulfils them, and the child's sentences."""
    classes = [(source.name, one) for source in package for one in source.classes]
    found: Found = {}
    for title in ("Engine", "Reply"):
        protocol = [
            one
            for _, one in classes
            if one.name == title and "Protocol" in [ast.unparse(base) for base in one.bases]
        ]
        members = set().union(*(methods(one) for one in protocol))
        found[f"{title} members"] = len(members)
        found[f"{title} implementations"] = [
            one.name
            for _, one in classes
            if members and members <= methods(one) and one not in protocol
        ]
    found["records of a sentence in a child (with its Say)"] = [
        f"{name.removeprefix('wyoming_csm/worker/')}: {one.name}"
        for name, one in classes
        if "/worker/" in name and holds(one, "Say") and "Protocol" not in map(base_name, one.bases)
    ]
    return found


def base_name(base: ast.expr) -> str:
    """Return a base class's name without its parameters."""
    return ast.unparse(base).partition("[")[0]


def methods(one: ast.ClassDef) -> set[str]:
    """Return the names of a class's own public methods and properties."""
    functions = (
        node for node in one.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )
    return {function.name for function in functions if not function.name.startswith("_")}


def holds(one: ast.ClassDef, kind: str) -> bool:
    """Whether a class declares a field of a type."""
    fields = (node for node in one.body if isinstance(node, ast.AnnAssign))
    return any(re.search(rf"\b{kind}\b", ast.unparse(field.annotation)) for field in fields)


def words(tree: Path, package: list[Source]) -> Found:
    """Lines and files with each word of WORDS, by where they stand."""
    readme = (tree / "README.md").read_text(encoding="utf-8")
    example = (tree / "config" / "example.yaml").read_text(encoding="utf-8")
    tests = sources(tree / "tests", tree)
    names = [function.name for source in tests for function in source.functions]
    logged = [text for source in package for text in log_lines(source)]
    parts: Mapping[str, Iterable[str]] = {
        "tests": [line for source in tests for line in source.text.splitlines()],
        "README": readme.splitlines(),
        "settings": example.splitlines(),
        "log lines": logged,
        "test names": [name for name in names if name.startswith("test_")],
    }
    found: Found = {}
    for word, forms in WORDS.items():
        files = [lines_with(source.text.splitlines(), forms) for source in package]
        found[f"{word}: package lines"] = sum(files)
        found[f"{word}: package files"] = sum(map(bool, files))
        for part, lines in parts.items():
            found[f"{word}: {part}"] = lines_with(lines, forms)
    return found


def log_lines(source: Source) -> Iterator[str]:
    """Give the messages that a file logs, as they are in its source."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and re.fullmatch(_LOGS, ast.unparse(node.func)):
            yield " ".join(ast.unparse(argument) for argument in node.args)


def lines_with(lines: Iterable[str], forms: tuple[str, ...]) -> int:
    """Count lines with one of a word's forms, also inside of snake_case and CamelCase names."""
    return sum(any(part.lower() in forms for part in _PARTS.findall(line)) for line in lines)


_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def path(tree: Path, entered: Entered) -> Found:
    """What one sentence enters."""
    return {
        "a sentence enters: modules": len(entered.modules),
        "a sentence enters: modules in front": len(entered.front),
        "a sentence enters: modules in the child": len(entered.child),
        "a sentence enters: classes": len(entered.classes),
        "a sentence enters: lines of its modules": lines_of(tree, entered.modules),
    }


def table(found: Mapping[str, Found]) -> Iterator[str]:
    """Give the lines for people: a column for each commit, and how much of the first is left."""
    last = list(found.values())[-1]
    yield f"{'':50}" + "".join(f"{title:>10}" for title in found) + f"{'change':>10}"
    for name in last:
        values = [one[name] for one in found.values()]
        numbers = [len(value) if isinstance(value, list) else value for value in values]
        line = f"{name:50}" + "".join(f"{number:>10}" for number in numbers)
        if len(numbers) > 1 and numbers[0]:
            line += f"{100 * (numbers[-1] / numbers[0] - 1):>+9.1f}%"
        lists = [", ".join(value) for value in values if isinstance(value, list)]
        yield line + ("  " + " → ".join(lists) if lists else "")


if __name__ == "__main__":
    main()
