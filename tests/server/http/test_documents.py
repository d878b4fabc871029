"""Every command of the README and of docs/http.md that asks over HTTP, run as it stands there."""

import asyncio
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import soundfile

from tests.fakes import FakeEngine, fake_voice
from tests.server.http.doors import Doors, doors
from tests.test_mending import speech
from wyoming_csm.recordings import read_voice

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/http.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands(text: str) -> list[str]:
    """Those that begin with curl, with the lines that they go on in."""
    scripts = "\n".join(blocks(text, "sh")).replace("\\\n", "")
    return [line for line in scripts.splitlines() if line.startswith("curl ")]


async def run(both: Doors, folder: Path, *command: str) -> bytes:
    """What a command prints; it must succeed. Its port is that of the door."""
    own = [word.replace("127.0.0.1:8002", f"127.0.0.1:{both.http.port}") for word in command]
    process = await asyncio.create_subprocess_exec(
        *own, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return out


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@needs_curl
async def test_commands_of_the_readme(tmp_path: Path) -> None:
    found = commands(README)
    assert len(found) == 4
    voices = (fake_voice("system_en-US"), fake_voice("speaker_0"))
    async with doors(FakeEngine(voices=voices)) as both:
        for command in found:
            out = await run(both, tmp_path, "sh", "-c", command.replace("curl -s", "curl -sSf"))
    assert (tmp_path / "light.mp3").read_bytes()[:2] == b"\xff\xf3"
    assert (tmp_path / "morning.wav").read_bytes()[:4] == b"RIFF"
    made = json.loads((tmp_path / "morning.json").read_text())
    assert made["metadata"]["voice"] == "speaker_0"
    assert json.loads(out)["ready"]


@needs_curl
async def test_commands_of_the_page(tmp_path: Path) -> None:
    found = commands(PAGE)
    assert len(found) == 3
    soundfile.write(tmp_path / "recording.wav", speech(8.0), 24_000)
    voices = tmp_path / "voices"
    said = []
    async with doors(FakeEngine(), voices=str(voices)) as both:
        for command in found:
            said.append(
                await run(both, tmp_path, "sh", "-c", command.replace("curl -s", "curl -sSf"))
            )
            if "POST" not in command and "-F" in command:
                assert read_voice(voices / "anna").clips[0].text == "Exactly the words in it."
    assert b"degrees Celsius" in said[0]
    assert not (voices / "anna").exists()


async def test_openais_client_as_the_page_has_it(tmp_path: Path) -> None:
    (example,) = blocks(PAGE, "python")
    async with doors(FakeEngine()) as both:
        await run(both, tmp_path, sys.executable, "-c", example)
    assert (tmp_path / "morning.mp3").read_bytes()[:2] == b"\xff\xf3"


def test_every_address_is_on_the_page() -> None:
    from wyoming_csm.server.http.openapi import document

    named = set(re.findall(r"/(?:v1|api|health|metrics)[\w./-]*", PAGE))
    for path in document()["paths"]:
        assert path.replace("{name}", "NAME") in named, path
