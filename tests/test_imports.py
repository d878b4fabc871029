"""The house's rules, read from the source: who imports whom, broad excepts, lengths of files."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "wyoming_csm"
HEAVY = (
    *("torch", "torchaudio", "transformers", "TTS", "scipy", "huggingface_hub", "tokenizers"),
    *("onnxruntime", "hibari"),
)

# Who may not import whom, with the reason. Packages with all below them.
FORBIDDEN = {
    "model": (
        "the numerics can be lifted out unchanged",
        ["wyoming", "asyncio", "transformers"]
        + [f"{PACKAGE}.{p}" for p in ("server", "engines", "worker", "verify", "text", "config")],
    ),
    "engines": (
        "engines never import wyoming, torch or what is above them",
        ["wyoming", *HEAVY, f"{PACKAGE}.server", f"{PACKAGE}.model", f"{PACKAGE}.verify"],
    ),
    "sound": (
        "the server and `say` share it, and it knows neither text nor engines",
        ["wyoming", *HEAVY]
        + [f"{PACKAGE}.{p}" for p in ("server", "engines", "worker", "model", "text", "verify")],
    ),
    "server": (
        "the front process never imports torch",
        [*HEAVY, f"{PACKAGE}.model", f"{PACKAGE}.verify"],
    ),
    "answer": ("every door shares it", ["wyoming", f"{PACKAGE}.server"]),
    "say": ("it has no server", ["wyoming", f"{PACKAGE}.server"]),
    "voice_choice": (
        "the server, `say` and the engines share it",
        ["wyoming", *(f"{PACKAGE}.{part}" for part in ("server", "engines", "worker", "model"))],
    ),
    "text": (
        "text is only text",
        ["wyoming", "asyncio", *HEAVY]
        + [f"{PACKAGE}.{part}" for part in ("server", "engines", "worker", "model", "verify")],
    ),
    "worker": (
        "the child has no event loop and no server, and our own code speaks and encodes",
        ["wyoming", "asyncio", "transformers"]
        + [f"{PACKAGE}.{part}" for part in ("server", "engines", "verify")],
    ),
    "verify": (
        "two models are compared without what stands in front of ours",
        ["wyoming", "asyncio"] + [f"{PACKAGE}.{part}" for part in ("server", "engines", "text")],
    ),
}

BROAD_EXCEPT = {
    "server/connection.py": "an edge: one connection's fault is not another's",
    "server/http/problems.py": "an edge: one request's fault is not another's",
    "worker/sentence_loop.py": "an edge: the child's loop",
    "worker/__main__.py": "an edge: the child itself",
    "worker/coqui/model.py": "an edge: coqui-tts may raise anything over files and texts",
    "worker/system/hibari.py": "an edge: its grammar and onnxruntime may raise anything",
    "worker/coqui/export.py": "an edge: the exporter may raise anything, and torch speaks",
    "verify/command.py": "an edge: a fault of the libraries is not a difference",
    "model/frame.py": "an edge: compilers may raise anything, and all speaks without them",
    "model/attention.py": "an edge: a build for another PyTorch may raise anything",
    "model/quantization/linear.py": "an edge: as model/frame.py",
    "worker/coqui/exported.py": "onnxruntime raises nothing narrower: it is translated",
    "silent_disk.py": "whoever asked is raised what a look raised, as by any executor",
    "model/prompt.py": "tokenizers raises nothing narrower than Exception: it is translated",
}

# Before Python 3.11.3 they cut short the clean-up of a cancelled task (gh-102780); `within` does
# not.
TIMEOUTS = {
    "say.py": "before anything is spoken",
    "engines/choice.py": "before a sentence",
    "engines/watchdog.py": "between two lives of a child",
    "server/discovery.py": "before the announcement",
    "server/peer.py": "the last events are sent by a task of their own",
    "text_stream.py": "before a sentence",
    "transcription.py": "before a folder is made",
    "server/accepting.py": "before a connection is anybody's",
    "server/wire.py": "the receiving half reads no more once it is cancelled",
}

MAX_LINES = 300
LONGER = {
    "config.py": "the schema is one list, and a list is read from top to bottom",
    "tests/guards/table.py": "the same",
}


def sources() -> list[Path]:
    return sorted((ROOT / PACKAGE).rglob("*.py"))


def beside_the_package() -> list[Path]:
    return [path for name in ("benchmarks", "tests") for path in (ROOT / name).rglob("*.py")]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sources()}


def imported(path: Path, at_import_only: bool = False) -> Iterator[tuple[int, str]]:
    """Line and full name of all that a file imports; modules of this package by their own name.

    `at_import_only` leaves out what functions import when they are called.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if at_import_only and id(node) in inside:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            assert node.module is not None
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node.lineno, whole if whole in MODULES else node.module


def is_below(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("part", FORBIDDEN)
def test_who_imports_whom(part: str) -> None:
    reason, forbidden = FORBIDDEN[part]
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources()
        if is_below(module_name(path), f"{PACKAGE}.{part}")
        for line, name in imported(path)
        if any(is_below(name, other) for other in forbidden)
    ]
    assert not wrong, reason


_OF_THE_WORKER = ("protocol", "system.languages", "system.further_voices")


def test_engines_know_only_pipe_and_voices_of_the_worker() -> None:
    known = {f"{PACKAGE}.worker.{name}" for name in _OF_THE_WORKER}
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources()
        if is_below(module_name(path), f"{PACKAGE}.engines")
        for line, name in imported(path)
        if is_below(name, f"{PACKAGE}.worker") and name not in known
    ]
    assert not wrong


# Not yet: it runs the simulation that tests the scheduler.
SIMULATIONS = ["schedule.py"]


def test_benchmarks_need_no_tests() -> None:
    """What both use is in benchmarks/fixtures: a benchmark runs where pytest is not installed."""
    folder = ROOT / "benchmarks"
    wrong = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        for _, name in imported(path)
        if is_below(name, "tests") or is_below(name, "pytest")
    }
    assert wrong <= set(SIMULATIONS)


def test_no_import_cycles() -> None:
    graph = {
        name: {other for _, other in imported(path, at_import_only=True) if other in MODULES}
        for name, path in MODULES.items()
    }
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"import cycle: {' → '.join(error.args[1])}")


def test_broad_excepts_are_at_the_two_edges_only() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources()
        if str(path.relative_to(ROOT / PACKAGE)) not in BROAD_EXCEPT
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler) and _is_broad(node)
    ]
    assert not wrong


def _is_broad(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False  # it cleans up and lets the error go on
    if handler.type is None:
        return True
    each = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(n, ast.Name) and n.id in ("Exception", "BaseException") for n in each)


def test_no_global_statements_and_no_waiting_by_the_clock() -> None:
    wrong = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Global):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} global")
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep":
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} time.sleep")
    assert not wrong


def test_no_clean_up_is_cut_short() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources()
        if str(path.relative_to(ROOT / PACKAGE)) not in TIMEOUTS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("timeout", "timeout_at", "wait_for")
        if ast.unparse(node.value) == "asyncio"
    ]
    assert not wrong


def test_files_are_as_long_as_one_idea() -> None:
    wrong = []
    for path in [*sources(), *beside_the_package()]:
        name = str(path.relative_to(ROOT)).removeprefix(f"{PACKAGE}/")
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MAX_LINES and name not in LONGER:
            wrong.append(f"{name}: {lines} lines")
    assert not wrong


def test_every_file_says_its_idea_first() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in [*sources(), *beside_the_package()]
        if (text := path.read_text(encoding="utf-8")) and not ast.get_docstring(ast.parse(text))
    ]
    assert not wrong


def test_the_front_process_loads_nothing_heavy() -> None:
    front = [
        name
        for name in MODULES
        if name.split(".")[1:2] not in ([part] for part in ("worker", "model", "verify"))
    ]
    code = f"import sys, {', '.join(front)}\nprint(*sorted(sys.modules.keys() & set({HEAVY!r})))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (result.returncode, result.stdout.split()) == (0, []), result.stderr


def test_http_is_imported_only_where_it_is_on() -> None:
    """Its libraries take 0.3 s and 20 MB."""
    code = "import sys, wyoming_csm.serve; print({'aiohttp', 'prometheus_client'} & {*sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.strip() == "set()", result.stderr
