"""Requests of all kinds, made from the OpenAPI document, against the door: does it keep its word?

python -m tests.server.http.contract 10000                      on a scripted engine
python -m tests.server.http.contract 200 http://127.0.0.1:8002  on a server that runs
"""

import asyncio
import re
import sys
import tempfile
from pathlib import Path

from tests.fakes import FakeEngine
from tests.server.http.doors import doors
from wyoming_csm.server.http.openapi import document

# No schema says what a recording or a WAV file is, or that a WebSocket is asked for.
SETTINGS = """
[[operations]]
include-path-regex = "^/api/(clips/.*|convert|voices/.*|stream)$"
checks.positive_data_acceptance.enabled = false
"""
OPERATIONS = sum(len(item) for item in document()["paths"].values())


async def keeps_its_word(url: str, cases: int, folder: Path) -> tuple[bool, int, str]:
    """Whether all was as the document says, how many requests there were, and the report."""
    (folder / "schemathesis.toml").write_text(SETTINGS)
    command = (
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/api/openapi.json"),
        *("--url", url, "--max-examples", str(max(1, cases // OPERATIONS)), "--seed", "1"),
        *("--phases", "examples,coverage,fuzzing", "--no-color", "--request-timeout", "20"),
        *("--generation-database", "none", "--max-response-time", "10"),
    )
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    text = out.decode(errors="replace")
    found = re.findall(r"(\d+) generated", text)
    return process.returncode == 0, int(found[0]) if found else 0, text


async def main(cases: int, url: str | None) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if url is not None:
            well, count, text = await keeps_its_word(url, cases, folder)
        else:
            async with doors(FakeEngine(frames=2), voices=str(folder / "voices")) as both:
                well, count, text = await keeps_its_word(both.url, cases, folder)
    print(text)
    print(f"{count} cases")
    return 0 if well else 1


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(asyncio.run(main(int(given[0]), given[1] if given[1:] else None)))
