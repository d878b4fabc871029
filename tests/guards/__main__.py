"""Turns off each guard in a copy of the tree and shows that its test notices: `script/guards`."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.guards.table import GUARDS, Guard

ROOT = Path(__file__).parents[2]
_SECONDS = 300.0  # a test that waits for what a guard does not end any more
_FAILED = 1  # pytest's code where tests ran and failed; others are faults of the matrix itself


class Copy:
    """A copy of all that git knows or would add, in which pytest runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)

    def without(self, guard: Guard) -> str:
        """Say how the guard's test ends without it."""
        path = self._folder / "wyoming_csm" / guard.file
        whole = path.read_text(encoding="utf-8")
        path.write_text(whole.replace(guard.text, guard.instead), encoding="utf-8")
        try:
            code = self.test([guard.test])
        finally:
            path.write_text(whole, encoding="utf-8")
        return {0: "NOBODY NOTICES", _FAILED: "red", None: "red: it waits"}.get(
            code, f"BROKEN {code}"
        )

    def test(self, tests: Sequence[str]) -> int | None:
        """Return pytest's code; None if it does not end."""
        words = ["-q", "-x", "-p", "no:cacheprovider", *(f"tests/{test}" for test in tests)]
        environment = {
            **os.environ,
            "PYTHONPATH": str(self._folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with (self._folder / "said").open("w") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *words],
                cwd=self._folder,
                env=environment,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
            try:
                return process.wait(_SECONDS * max(1, len(tests) // 4))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()
                return None

    @property
    def said(self) -> str:
        """What pytest wrote last."""
        return (self._folder / "said").read_text(encoding="utf-8", errors="replace")


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="script/guards")
    parser.add_argument("--only", default="", help="those whose words or file hold this")
    only = parser.parse_args(words).only
    guards = [one for one in GUARDS if only in f"{one.words} {one.file}"]
    if not guards:
        parser.error(f"no guard's words or file hold {only!r}")
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        if copy.test(sorted({one.test for one in guards})) != 0:
            print(copy.said, "The tests fail with all guards on: mend that first.", sep="\n")
            return 1
        print("| guard | without it | its test | s |\n|---|---|---|---|")
        failed = False
        for guard in guards:
            begin = time.perf_counter()
            ended = copy.without(guard)
            print(
                f"| {guard.words} | {ended} | `{guard.test}` | {time.perf_counter() - begin:.0f} |",
                flush=True,
            )
            if not ended.startswith("red"):
                failed = True
                print(copy.said[-2_000:], file=sys.stderr)
    print(f"\n{len(guards)} guards; {'NOT ' if failed else ''}all are noticed when they are off.")
    return failed


if __name__ == "__main__":
    sys.exit(main())
