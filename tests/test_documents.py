"""Every command of the documents is run or parsed, every link leads somewhere.

A command that is new fails `test_every_command_is_checked` until CHECKS says how it is tried.
"""

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from tests.docker_commands import built, composed, entered, orchestrated, swarmed
from tests.documents import DOCUMENTS, ROOT, Document
from wyoming_csm.__main__ import main
from wyoming_csm.command_line import parse_words
from wyoming_csm.faults import Switch

Tools = tuple[Path, pytest.MonkeyPatch]
Check = Callable[[str, Tools], None]
PACKAGE = "".join(path.read_text("utf-8") for path in (ROOT / "wyoming_csm").rglob("*.py"))
SCRIPTS = "".join(path.read_text("utf-8") for path in (ROOT / "script").glob("*.py"))


def own_words(command: str) -> list[str]:
    """The words after `./run.sh` or `wyoming-csm`, without settings of the shell before them."""
    words = shlex.split(command)
    at = next(at for at, word in enumerate(words) if word.endswith(("/run.sh", "wyoming-csm")))
    assert all(re.fullmatch(r"(HF_TOKEN|WYOMING_CSM_FAULTS)=\S+", word) for word in words[:at])
    return words[at + 1 :]


def parsed(command: str, _: Tools) -> None:
    """Ours, which would take too long or too much here: its words are the parser's."""
    parse_words(own_words(command))


def spoken(command: str, tools: Tools) -> None:
    """`say`, into a file, by the system voice."""
    folder, _ = tools
    words = own_words(command)
    assert main([*words, "--light", "--data-dir", str(folder / "data")]) == 0
    sound, rate = soundfile.read(folder / words[words.index("-o") + 1])
    assert rate == 24_000
    assert len(sound) > 0.2 * rate


def worded(command: str, tools: Tools) -> None:
    """`echo … | text`, with what is echoed at its standard input."""
    _, patch = tools
    echo, _, rest = command.partition("|")
    program, *words = shlex.split(echo)
    assert program == "echo"
    patch.setattr("sys.stdin", io.StringIO(" ".join(words)))
    assert main(own_words(rest)) == 0


def managed(command: str, tools: Tools) -> None:
    """`voices list`, of a folder without any."""
    assert main([*own_words(command), "--data-dir", str(tools[0])]) == 0


def scripted(command: str, _: Tools) -> None:
    """A script of ours: it is there, can be run, and is a shell's or Python's without fault."""
    words = shlex.split(command)
    path = ROOT / words[0]
    assert os.access(path, os.X_OK)
    first = path.read_text().partition("\n")[0]
    if "python" in first:
        compile(path.read_text(), str(path), "exec")
    else:
        subprocess.run(["bash", "-n", path], check=True)


def asked(command: str, _: Tools) -> None:
    """Over HTTP: `tests/server/http/test_documents.py` runs each against a server."""
    there = [*DOCUMENTS[0].commands, *_named("docs/http.md").commands]
    assert command in there, "only the commands of README.md and docs/http.md are run"


def installed(command: str, _: Tools) -> None:
    """Of an environment with the wheel: the file is named as it will be, the extras exist.
    `script/try-wheel` runs them."""
    import tomllib

    found = re.search(r"wyoming_csm-([\d.]+)-py3-none-any\.whl(?:\[(\w+)\])?", command)
    assert found
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert found[2] is None or found[2] in project["optional-dependencies"]


def administered(command: str, _: Tools) -> None:
    """For root on a machine with systemd: what it names of this repository is there."""
    for name in re.findall(r"/opt/wyoming-csm/([\w./-]+)", command):
        assert (ROOT / name).exists()
    unit = (ROOT / "script/wyoming-csm.service").read_text()
    for path in re.findall(r"(?:/opt|/var/lib)/wyoming-csm", command):
        assert path.replace("/var/lib", "%S") in unit


def noted(command: str, _: Tools) -> None:
    """A line written into a file that Compose reads, or systemd."""
    name = re.search(r"(?:>|tee|tee -a) (\S+)$", command)
    assert name
    files = ("docker/hf_token", "/etc/modules-load.d/", "/etc/default/haproxy")
    assert name[1].startswith(files)


def drilled(command: str, tools: Tools) -> None:
    """A line for the file of the fault switch, which a process would obey; or the file's end."""
    if command != "rm /tmp/faults":
        line, _, file = command.removeprefix("echo ").partition(" > ")
        (path := tools[0] / Path(file).name).write_text(line.strip('"'))
        who, fault, *_ = line.strip('"').split()
        assert Switch(path, who).number(fault) is not None


CHECKS: dict[str, Check] = {
    r'(echo "\w+ \w+[ \d]*" >|rm) /tmp/faults': drilled,
    r"(\w+=\S+ )?\./run\.sh( --light.*)?": parsed,
    r"\./run\.sh say .*": spoken,
    r"echo .* \| \./run\.sh text .*": worded,
    r"\./run\.sh voices list": managed,
    r"\./run\.sh (voices|verify|doctor|bench|download) ?.*": parsed,
    r"speech/bin/wyoming-csm .*": parsed,  # and script/try-wheel runs it
    r"wyoming-csm compare .*": parsed,
    r"docker compose .*": composed,
    r"(\w+=\S+ +)+docker stack .*": swarmed,
    r"docker exec .*": entered,
    r"docker build .*": built,
    r"kubectl .*": orchestrated,
    r"(script|\.ci)/.+": scripted,
    r"curl -s .*": asked,
    r"(python3 -m venv speech|speech/bin/pip install .*\.whl.*)": installed,
    r"echo (\S+|'[^']+')( >| \|) .*": noted,
    r"(sudo|journalctl) .*": administered,
}
COMMANDS = [(document.name, command) for document in DOCUMENTS for command in document.commands]


def _named(name: str) -> Document:
    return next(document for document in DOCUMENTS if document.name == name)


def _checks(command: str) -> Check | None:
    if command == "python3 -m venv speech":
        return lambda *_: None  # Python's own; script/try-wheel runs it
    return next((check for words, check in CHECKS.items() if re.fullmatch(words, command)), None)


def test_every_command_is_checked() -> None:
    assert len(COMMANDS) > 40
    assert [where for where in COMMANDS if _checks(where[1]) is None] == []
    used = {_checks(command) for _, command in COMMANDS}
    assert set(CHECKS.values()) - used == set(), "of no use any more"


SLOW = pytest.mark.slow(seconds=4)


@pytest.mark.parametrize(
    ("document", "command"),
    [pytest.param(*each, marks=[SLOW] if _checks(each[1]) is spoken else []) for each in COMMANDS],
)
def test_a_command_is_right(
    document: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check = _checks(command)
    assert check is not None
    check(command, (tmp_path, monkeypatch))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_lead_somewhere(document: Document) -> None:
    for link in document.links:
        if re.match(r"[a-z]+:", link):
            assert link.startswith("https://"), link
            continue
        file, _, anchor = link.partition("#")
        path = (document.path.parent / file).resolve() if file else document.path
        assert path.is_relative_to(ROOT), link
        assert path.exists(), link
        if anchor:
            assert anchor in Document(path).anchors, link


def test_every_page_is_found_from_the_first() -> None:
    linked = {link.partition("#")[0] for link in _named("docs/index.md").links}
    linked |= {link.partition("docs/")[2] for link in DOCUMENTS[0].links}
    pages = {document.path.name for document in DOCUMENTS if document.name.startswith("docs/")}
    assert pages - linked - {"index.md"} == set()
    nav = re.findall(r"^ +- (?:[\w ]+: )?([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)
    assert sorted(nav) == sorted(pages), "nav in mkdocs.yml lists the pages"


def test_lines_of_the_log_are_the_logs() -> None:
    table = _named("docs/troubleshooting.md").text.partition("## What the log says")[2]
    lines = re.findall(r"^\| `([^`]+)` \|", table, flags=re.MULTILINE)
    assert len(lines) > 12
    code = re.sub(r'"\s*f?"', "", PACKAGE + SCRIPTS)  # a text over several lines
    for line in lines:
        whole = line.replace("csm is left out: no GPU is here", "no GPU is here")
        whole = whole.replace("is left out: not installed yet", "not installed yet")
        assert whole in code, line


def test_lines_of_doctor_are_all_explained() -> None:
    sources = "".join(path.read_text("utf-8") for path in ROOT.glob("wyoming_csm/doctor/*.py"))
    known = set(re.findall(r"\b(?:Finding|ok)\(\s*\"([\w-]+)", sources))
    page = _named("docs/troubleshooting.md").text
    table = page.partition("## What doctor says")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", table, flags=re.MULTILINE)) == known


def test_limits_are_all_explained() -> None:
    from wyoming_csm.config import Limits

    said = _named("docs/security.md").text
    for name in Limits.__struct_fields__:
        assert f"`limits.{name}`" in said, name


@SLOW
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="the site's builder is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "WARNING" not in done.stdout
    pages = {path.stem for path in tmp_path.glob("*.html")} - {"404"}
    assert pages == {path.stem for path in (ROOT / "docs").glob("*.md")}
    for path in tmp_path.glob("*.html"):  # nothing comes from elsewhere
        assert re.findall(r'(?:src|<link[^>]*href)="(?:https?:)?//[^"]*"', path.read_text()) == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_is_shut_in() -> None:
    unit = ROOT / "script/wyoming-csm.service"
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=30", "--no-pager", unit],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "Overall exposure level for wyoming-csm.service" in done.stdout
