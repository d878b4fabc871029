"""Kubernetes' pods before the weights are there: they wait, say so, and are given the time."""

import re
import subprocess
from pathlib import Path

from tests.docker.test_kubernetes import DEPLOYMENT, PAGE, POD, SERVER
from wyoming_csm.command_line import parse_words


def waiting(folder: Path, sleep: str) -> subprocess.CompletedProcess[str]:
    """The init container's script, where the weights are there at the second look."""
    (container,) = POD["initContainers"]
    words = re.findall(r"^until wyoming-csm (.+); do$", container["command"][2], re.MULTILINE)
    assert [parse_words(one.split()).command for one in words] == ["download"]
    found = '[ -e looked ] && exit 0; : > looked; echo "none yet" >&2; exit 2'
    for name, does in (("wyoming-csm", found), ("sleep", sleep)):
        (file := folder / name).write_text(f"#!/bin/sh\n{does}\n")
        file.chmod(0o755)
    path = {"PATH": f"{folder}:/usr/bin:/bin"}
    return subprocess.run(
        container["command"], cwd=folder, env=path, capture_output=True, text=True, check=False
    )


def test_a_pod_waits_for_the_weights_and_says_so(tmp_path: Path) -> None:
    done = waiting(tmp_path, "echo $1 > slept")
    assert (done.returncode, done.stderr) == (0, "none yet\n")
    assert done.stdout.count("Waiting for the weights") == 1
    assert (tmp_path / "slept").read_text() == "60\n"
    page = PAGE.read_text("utf-8")
    assert "`Init:0/1`" in page
    assert f"logs deployment/wyoming-csm --container {POD['initContainers'][0]['name']}`" in page


def test_a_pod_that_waits_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    """The first process of a container ignores SIGTERM, unless it says what to do."""
    assert waiting(tmp_path, "kill -TERM $PPID").returncode == 1
    assert "sleep 60 & wait $!" in POD["initContainers"][0]["command"][2], "it does not sleep on"


def test_a_rollout_has_time_for_the_first_download() -> None:
    (hours,) = re.findall(r"--timeout=(\d+)h job/wyoming-csm-download", PAGE.read_text("utf-8"))
    startup = SERVER["startupProbe"]
    loading = startup["failureThreshold"] * startup["periodSeconds"]
    deadline = DEPLOYMENT["spec"]["progressDeadlineSeconds"]
    assert deadline >= int(hours) * 3600 + loading
    assert f" {deadline // 60} minutes after the start" in PAGE.read_text("utf-8")
