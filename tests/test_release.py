"""A release: what is refused, in a repository made for it, and what a wheel holds."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.documents import ROOT

SECTION = "## [0.2.0] - 2026-12-31"


class Repository:
    """A small one, with all that a release is judged by."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "script").mkdir()
        (folder / "wyoming_csm").mkdir()
        shutil.copy(ROOT / "script/release", folder / "script")
        self.git("init", "--quiet")
        self.write(
            "0.2.0", f"# Changelog\n\n{SECTION}\n\n- New.\n\n## [0.1.0] - 2026-01-01\n\n- Old.\n"
        )

    def write(self, version: str, changelog: str) -> None:
        """Commit this state."""
        (self.folder / "wyoming_csm/__init__.py").write_text(
            f'"""A."""\n\n__version__ = "{version}"\n'
        )
        (self.folder / "CHANGELOG.md").write_text(changelog)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", version)

    def git(self, *words: str) -> None:
        """Run git with an author."""
        author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(("git", *author, *words), cwd=self.folder, check=True)

    def release(self, *words: str) -> tuple[int, str]:
        """Run the script: its exit code, and what it says."""
        done = subprocess.run(
            (sys.executable, "script/release", *words),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Make one that could be released."""
    return Repository(tmp_path)


def test_all_that_agrees_may_be_tagged(repository: Repository) -> None:
    assert repository.release("check") == (
        0,
        "Nothing stands in the way of 0.2.0: git tag v0.2.0\n",
    )
    repository.git("tag", "v0.2.0")
    assert repository.release("check")[0] == 0
    assert repository.release("notes") == (0, "- New.\n")


@pytest.mark.parametrize(
    ("version", "section", "complaint"),
    [
        ("0.3.0", SECTION, "the newest section of CHANGELOG.md is '## [0.2.0] - 2026-12-31'"),
        ("0.2.0", "## [Unreleased] - 0.2.0", "it should be '## [0.2.0] - YYYY-MM-DD'"),
        ("0.2.0", "## [0.2.0]", "it should be '## [0.2.0] - YYYY-MM-DD'"),
        ("0.2.0.dev1", "## [0.2.0.dev1] - 2026-12-31", "'0.2.0.dev1' is no release's"),
    ],
)
def test_version_and_changelog_must_agree(
    repository: Repository, version: str, section: str, complaint: str
) -> None:
    repository.write(version, f"# Changelog\n\n{section}\n\n- New.\n")
    repository.git("tag", f"v{version}")
    for command in ("check", "build"):
        code, said = repository.release(command)
        assert code == 1
        assert complaint in said


def test_the_section_says_something(repository: Repository) -> None:
    repository.write("0.2.0", f"# Changelog\n\n{SECTION}\n\n## [0.1.0] - 2026-01-01\n\n- Old.\n")
    assert repository.release("check") == (
        1,
        "No release:\n- the section 0.2.0 of CHANGELOG.md is empty\n",
    )


@pytest.mark.parametrize(
    ("tag", "complaint"),
    [
        ("", "the commit is not tagged: git tag v0.2.0"),
        ("nightly", "the commit is not tagged: git tag v0.2.0"),
        ("v0.2.1", "the commit is tagged v0.2.1: it should be v0.2.0 alone"),
        ("0.2.0", "the commit is tagged 0.2.0: it should be v0.2.0 alone"),
    ],
)
def test_the_tag_must_agree(repository: Repository, tag: str, complaint: str) -> None:
    if tag:
        repository.git("tag", tag)
    assert repository.release() == (1, f"No release:\n- {complaint}\n")
    assert not (repository.folder / "dist").exists()


def test_a_tag_of_another_commit_is_not_moved(repository: Repository) -> None:
    repository.git("tag", "v0.2.0")
    repository.git("commit", "--quiet", "--allow-empty", "--message", "later")
    for command in ("check", "build"):
        code, said = repository.release(command)
        assert (code, "v0.2.0 is the tag of another commit" in said) == (1, True)


def test_what_is_not_committed_is_not_released(repository: Repository) -> None:
    repository.git("tag", "v0.2.0")
    (repository.folder / "wyoming_csm/new.py").touch()
    code, said = repository.release()
    assert code == 1
    assert "wyoming_csm/new.py" in said


@pytest.mark.slow(seconds=3)
def test_wheel_and_sdist_have_all(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    subprocess.run(
        (sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)),
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    tracked = subprocess.run(
        ("git", "ls-files", "--cached", "--others", "--exclude-standard"),
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.splitlines()
    tracked = [name for name in tracked if (ROOT / name).exists()]
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    own = {name for name in tracked if name.startswith("wyoming_csm/")}
    assert {name for name in names if name.startswith("wyoming_csm/")} == own
    data = {name.partition(".data/data/")[2] for name in names if ".data/data/" in name}
    assert data == {f"share/wyoming-csm/{name}" for name in ("example.yaml", "wyoming-csm.service")}
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as source:
        found = {member.name.partition("/")[2] for member in source.getmembers()}
    assert {name for name in tracked if not name.startswith(".")} - found == set()
