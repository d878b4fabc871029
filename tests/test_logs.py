"""What is logged and told has no password of an address, whoever writes it."""

import subprocess
import sys

import pytest

from wyoming_csm.logs import without_passwords

LINES = """
import logging
from wyoming_csm.logs import start_logging
start_logging("INFO", "%(levelname)s %(message)s")
url = "https://me:geheim@hub.local/a/b"
logging.getLogger("httpx").info("GET %s", url)
try:
    raise ValueError(f"401 for url: {url}")
except ValueError:
    logging.exception("It failed")
"""


def test_no_line_has_the_password_of_an_address() -> None:
    done = subprocess.run([sys.executable, "-c", LINES], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert lines[0] == "INFO GET https://***@hub.local/a/b"
    assert lines[-1] == "ValueError: 401 for url: https://***@hub.local/a/b"
    assert "geheim@" not in "".join(line for line in lines if "url =" not in line)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("see https://huggingface.co/a@b and me@example.org", None),
        ("http://127.0.0.1:80/?q=a@b", None),
        ("'http://word@[::1]:80/x'", "'http://***@[::1]:80/x'"),
        ("a://u:p@w@h/ b://u:@h", "a://***@h/ b://***@h"),
    ],
)
def test_what_is_no_password_stays(words: str, shown: str | None) -> None:
    assert without_passwords(words) == (shown or words)
