"""Dockerfiles and compose files: what the linters say of them, and what they promise."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from wyoming_csm import __version__

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker/Dockerfile"
COMPOSE = [
    ROOT / f"docker/{name}.yaml"
    for name in ("compose", "compose.cpu", "scale/compose", "scale/gpu")
]


def copied(dockerfile: str) -> list[str]:
    """What a Dockerfile takes from its folder."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
    return [word for line in lines for word in line.split()[:-1]]


def tool(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def clean(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow(3)
def test_hadolint_finds_nothing(assembled: Path) -> None:
    files = [DOCKERFILE, *sorted(assembled.glob("*/Dockerfile"))]
    assert len(files) == 3
    clean(tool("hadolint"), *map(str, files))


@pytest.mark.slow(3)
def test_compose_files_are_of_compose_s_schema() -> None:
    check = tool("check-jsonschema")
    clean(check, "--builtin-schema", "vendor.compose-spec", *map(str, COMPOSE))


def service(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())["services"]["wyoming-csm"]
    return found


def test_a_container_may_do_little_and_is_found() -> None:
    alone, on_gpu = service(COMPOSE[1]), service(COMPOSE[0])
    assert on_gpu["extends"] == {"file": COMPOSE[1].name, "service": "wyoming-csm"}
    assert alone["read_only"] is True
    assert alone["cap_drop"] == ["ALL"]
    assert alone["security_opt"] == ["no-new-privileges:true"]
    assert alone["network_mode"] == "host", "Home Assistant finds it by multicast"
    assert int(alone["stop_grace_period"].rstrip("s")) > 5, "limits.shutdown_seconds"
    assert on_gpu["secrets"] == ["hf_token"]
    assert on_gpu["environment"] == {"HF_TOKEN_PATH": "/run/secrets/hf_token"}
    mounted = {volume.split(":")[1] for volume in alone["volumes"]}
    assert mounted == {"/data", "/data/models", "/config"}


def test_the_image_writes_into_its_volumes_only_and_is_nobody_s_root() -> None:
    text = DOCKERFILE.read_text()
    last = text[text.index(" AS server") :]
    folders = re.findall(r"(?:HOME|CACHE_HOME|CACHE_DIR|CONFIGDIR)=(\S+)", last)
    assert len(folders) == 5
    assert all(folder.startswith("/data") for folder in folders)
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["1000:1000"]
    assert re.findall(r"ARG VERSION=(\S+)", text) == [__version__]


def test_all_that_is_copied_is_there_and_reaches_the_builder() -> None:
    let_in = {
        path
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
        for path in ROOT.glob(line[1:])
    }
    for word in copied(DOCKERFILE.read_text()):
        found = set(ROOT.glob(word))
        assert found, word
        assert found <= let_in, word


def test_every_file_for_docker_is_named_somewhere() -> None:
    """What no command, page or other file names is of no use."""
    ours = [path for path in (ROOT / "docker").iterdir() if path.is_file()]
    ours = [path for path in ours if path.name not in (".env", "hf_token")]  # the user's own
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for path in ours:
        others = {one for one in (*pages, *COMPOSE, DOCKERFILE) if one != path}
        assert any(path.name in one.read_text("utf-8") for one in others), path.name
