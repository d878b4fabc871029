"""What counts the code: the rule for docstrings, words in names, what one sentence enters."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from benchmarks import codebase, handover
from benchmarks.codebase import Source, lines_with
from benchmarks.docstrings import begins_mid_sentence, docstrings
from benchmarks.sentence_path import classes_of, module_of, traced_in
from benchmarks.server import ROOT
from tests.fakes import FakeEngine
from tests.server.clients import port_of, serving

CODE = '''
class Engine(Protocol):
    def speak(self, text: str) -> bytes: ...
    async def stop(self) -> None: ...

class Good:
    """Of no use."""
    say: Say
    def __init__(self, one: int, *, two: int) -> None:
        """Make it.

        Slowly.
        """
        self.one = one
    def speak(self, text: str) -> bytes:
        _LOGGER.info("%d slots", 1)
        return b""
    async def stop(self): ...
'''
FOREIGN = (  # without a public name
    "os._exit",
    "_embed",  # of transformers' codec, which is cached
    "part._embed",
    "torch._dynamo",
    "torch._inductor",
    "torch.ops.aten._scaled_dot_product_flash_attention",
)
PICKLES = ("pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal")
SOURCE = Source("wyoming_csm/worker/good.py", CODE, ast.parse(CODE))


@pytest.mark.parametrize(
    ("docstring", "wrong"),
    [
        ("Return the slots that are free.", False),
        ("A slot's number, from 0.", False),
        ("Raise X if there is none.", False),
        ("`text` cut into sentences.", False),
        ("Of all that are ready.", True),
        ("It does not speak.", True),
        ("Raises ConfigError.", True),
        ("Now.", True),
        ("Slots.\n\nThey are numbered from 0.", True),
    ],
)
def test_a_docstring_stands_without_the_name_above_it(docstring: str, wrong: bool) -> None:
    assert begins_mid_sentence(docstring) == wrong


def test_docstrings_of_the_package_are_sentences() -> None:
    """`python -m benchmarks.docstrings` lists the others."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in sorted((ROOT / "wyoming_csm").rglob("*.py"))
        for line, name, text in docstrings(ast.parse(path.read_text(encoding="utf-8")))
        if begins_mid_sentence(text)
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("self._one + cls._two + super()._three", []),
        ("self.engine._one.two", ["self.engine._one"]),
        ("torch._dynamo.reset()", []),
        ("engine.__class__ = Slow", ["engine.__class__"]),
        ("type(engine).__name__", []),
        ("patch.setattr(engine, '_one', 1); patch.setattr('a._two', '')", ["_one", "a._two"]),
        ("from a.b import c, _d", ["a.b._d"]),
    ],
)
def test_private_names_of_others_are_found(code: str, wrong: list[str]) -> None:
    assert private_names(ast.parse(code)) == wrong


def test_tests_use_no_private_names() -> None:
    found = {
        str(path.relative_to(ROOT)): names
        for folder in ("tests", "benchmarks/fixtures")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (names := private_names(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert not found


def private_names(tree: ast.Module) -> list[str]:
    """List the names that begin with `_` of anything but the class itself, and `__class__`."""
    names = [name for node in ast.walk(tree) for name in reached(node)]
    return [
        name
        for name in names
        if re.search(r"(^|\.)(_(?!_)\w+|__class__)$", name) and name not in FOREIGN
    ]


def reached(node: ast.AST) -> list[str]:
    """Return the names in other objects that a node asks for."""
    match node:
        case ast.Attribute(value=ast.Name(id="self" | "cls") | ast.Call(func=ast.Name(id="super"))):
            return []
        case ast.Attribute():
            return [ast.unparse(node)]
        case ast.ImportFrom():
            return [f"{node.module}.{one.name}" for one in node.names]
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name.endswith("attr"):
            values = [one.value for one in node.args[:2] if isinstance(one, ast.Constant)]
            return [value for value in values if isinstance(value, str)]
    return []


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("torch.load(path)", True),
        ("torch.load(path, weights_only=False)", True),
        ("torch.load(path, **more)", True),
        ("torch.load(path, map_location='cpu', weights_only=True)", False),
        ("from torch import load", True),
        ("torch.jit.load(path)", True),
        ("np.load(path, allow_pickle=True)", True),
        ("np.load(path, allow_pickle=asked)", True),
        ("np.load(path, allow_pickle=False); np.load(path)", False),
        ("import pickle", True),
        ("import a, joblib.externals", True),
        ("from cloudpickle import load", True),
        ("from pickle import UnpicklingError", False),
        ("json.load(file); yaml.safe_load(file)", False),
    ],
)
def test_what_could_unpickle_is_found(code: str, wrong: bool) -> None:
    assert bool(unpickling(ast.parse(code))) == wrong


def test_nothing_unpickles() -> None:
    """Nor what nobody runs but us; tests write such files, to see them refused."""
    named = subprocess.run(("git", "ls-files", "-z"), cwd=ROOT, capture_output=True, check=True)
    paths = [ROOT / name for name in named.stdout.decode().split("\0") if name]
    programs = [path for path in paths if path.suffix == ".py" or is_python(path)]
    assert {path.relative_to(ROOT).parts[0] for path in programs} >= {"benchmarks", "script"}
    assert ROOT / "script/release" in programs
    texts = [(path, path.read_text("utf-8")) for path in programs if "tests" not in path.parts]
    found = {
        str(path.relative_to(ROOT)): names
        for path, text in texts
        if any(word in text for word in ("torch", *PICKLES))  # all that is found has one
        and (names := unpickling(ast.parse(text)))
    }
    assert not found


def is_python(path: Path) -> bool:
    """Tell whether a file without a suffix says that Python runs it."""
    if path.suffix or not path.is_file():
        return False
    with path.open("rb") as file:
        return bool(re.match(rb"#!.*python", file.readline(99)))


def unpickling(tree: ast.Module) -> list[str]:
    """List what could run code that a file brings: no rule of ruff's knows torch's and numpy's."""
    return [ast.unparse(node) for node in ast.walk(tree) if could_unpickle(node)]


def could_unpickle(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=names):
            return any(one.name.partition(".")[0] in PICKLES for one in names)
        case ast.ImportFrom(module=str(module), names=names):
            modules = {*PICKLES, "torch", "torch.jit"}
            return module in modules and any("load" in one.name.lower() for one in names)
        case ast.Call(func=func, keywords=keywords):
            said = {word.arg: ast.unparse(word.value) for word in keywords}
            name = ast.unparse(func)
            if name.endswith("torch.load"):
                return said.get("weights_only") != "True"
            return name.endswith("torch.jit.load") or said.get("allow_pickle", "False") != "False"
    return False


def test_words_are_found_inside_of_names_and_not_inside_of_words() -> None:
    lines = ("class KeptPrompts:", "def as_kept(self)", "KEPT = 1", "housekeeping", "keeps it")
    assert lines_with(lines, codebase.WORDS["kept"]) == 4
    assert lines_with(["replace(x)", "a rowing boat"], ("place", "row", "rows")) == 0


def test_shapes_of_functions_and_protocols_are_counted() -> None:
    shapes = codebase.shapes([SOURCE])
    assert shapes["function lines, longest"] == 3  # without the docstring
    assert shapes["constructor parameters, most"] == 2
    assert shapes["functions fully typed, %"] == 80.0
    assert shapes["docstrings begun mid-sentence"] == 1
    found = codebase.engines([SOURCE])
    assert found["Engine members"] == 2
    assert found["Engine implementations"] == ["Good"]
    assert found["records of a sentence in a child (with its Say)"] == ["good.py: Good"]
    assert list(codebase.log_lines(SOURCE)) == ["'%d slots' 1"]


def test_two_commits_stand_side_by_side() -> None:
    lines = list(codebase.table({"before": {"lines": 200}, "now": {"lines": 150}}))
    assert lines[1].split() == ["lines", "200", "150", "-25.0%"]


def test_classes_are_those_of_the_function_and_of_self() -> None:
    file = "/here/wyoming_csm/server/wire.py"
    entries = [
        (file, "Reader.read.<locals>.part", ""),
        (file, "decode.<locals>.part", ""),
        (file, "Base.close", "wyoming_csm.server.listener.Server"),
    ]
    wire = module_of(file)
    assert wire == "wyoming_csm.server.wire"
    own = "wyoming_csm.server.listener.Server"
    assert classes_of(entries) == {f"{wire}.Reader", f"{wire}.Base", own}


@pytest.mark.weekly
async def test_what_one_sentence_enters_is_traced_in_both_processes() -> None:
    """A real server, CSM's real child."""
    entered = await traced_in(ROOT)
    assert "wyoming_csm.server.connection" in entered.front
    assert "wyoming_csm.model.csm" in entered.child - entered.front
    assert "wyoming_csm.worker.protocol" in entered.front & entered.child
    assert not {"wyoming_csm.serve", "wyoming_csm.worker.__main__"} & entered.modules  # the start
    assert "wyoming_csm.model.csm.CsmModel" in entered.classes


async def test_a_handover_is_a_change_from_one_listeners_sound_to_the_others() -> None:
    chunks = [(0.1, 0, 10), (0.3, 1, 10), (0.2, 0, 10), (0.6, 0, 10)]
    run = handover.run_of(0.0, chunks)
    assert (run.seconds, run.sound_bytes, run.handovers) == (0.6, 40, 2)
    assert run.gap == pytest.approx(0.2)


async def test_handovers_are_measured_by_a_servers_socket_alone() -> None:
    async with serving(FakeEngine(frame_seconds=0.002)) as server:
        found = await handover.measure(port_of(server), "One. Two. Three.", rounds=1)
    assert found["handovers"] > 1
    assert found["at_once_s"] > 0
    assert found["handover_ms_least"] <= found["handover_ms"] <= found["handover_ms_most"]
