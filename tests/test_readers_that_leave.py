"""A command whose reader leaves, as `head` does, ends without a traceback."""

import os
import subprocess

import pytest

from tests.test_main import COMMAND


@pytest.mark.parametrize(
    "words", [("--help",), ("completion", "bash"), ("text", "Hello."), ("text", "--language", "1")]
)
def test_a_reader_that_leaves_ends_it_without_a_word(words: tuple[str, ...]) -> None:
    """As `head` does; the last one says on standard error, to the same reader, what is wrong."""
    reading, writing = os.pipe()
    os.close(reading)
    errors = writing if "1" in words else subprocess.PIPE
    try:
        done = subprocess.run(
            *([*COMMAND, *words],), stdout=writing, stderr=errors, check=False,
            env=os.environ | {"PYTHONUNBUFFERED": ""},  # it finds out at its very end
        )  # fmt: skip
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr or b"") == (141, b"")
