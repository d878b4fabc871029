"""Commands of the documents for Docker and Kubernetes: what they name is in the repository."""

import re
import shlex
from itertools import pairwise

import yaml

from tests.documents import ROOT

SCALE = "docker/scale/compose.yaml"


def composed(command: str, _: object) -> None:
    """Its files are there, and have services that can be built or run."""
    words = shlex.split(command)[2:]
    merged: dict[str, object] = {}
    while words[0] == "-f":
        found = yaml.load((ROOT / words[1]).read_text(), _Compose)
        merged |= {key: value for key, value in found.items() if key != "services"}
        merged.setdefault("services", found["services"])
        words = words[2:]
    assert merged["services"]
    assert words in (["up", "-d"], ["logs", "-f"])


def swarmed(command: str, _: object) -> None:
    """It is about the replicas of the stack, whose file is there."""
    words = shlex.split(command, comments=True)
    services = yaml.load((ROOT / SCALE).read_text(), _Compose)["services"]
    if words[1] == "stack":
        assert words[2:] == ["deploy", "-c", SCALE, "speech"]
    else:
        assert words[2] == "scale"
        assert words[3].partition("=")[0].removeprefix("speech_") in services


class _Compose(yaml.SafeLoader):
    """YAML with `!reset`, which Compose has."""


_Compose.add_constructor("!reset", lambda loader, node: None)


def built(command: str, _: object) -> None:
    """The file is there, and has every argument that is given."""
    words = shlex.split(command)
    recipe = (ROOT / words[words.index("-f") + 1]).read_text()
    for number, word in enumerate(words):
        if word == "--build-arg":
            assert f"ARG {words[number + 1].partition('=')[0]}" in recipe


def orchestrated(command: str, _: object) -> None:
    """Kubernetes': its folders and files are there, and it names what they do."""
    words = shlex.split(command, comments=True)
    folder = ROOT / "docker/kubernetes"
    manifests = "".join(path.read_text() for path in folder.glob("*/*.yaml"))
    for option, path in pairwise(words):
        if option in ("-k", "-f"):
            assert (ROOT / path).is_relative_to(folder)
            assert (ROOT / path / "kustomization.yaml" if option == "-k" else ROOT / path).is_file()
    names = [words[words.index("generic") + 1]] if "generic" in words else []
    names += [word.partition("/")[2] for word in words if re.match(r"(deployment|job)/", word)]
    names += [word for option, word in pairwise(words) if option == "-n"]
    assert names or words[1] == "apply"
    for name in names:
        assert re.search(rf"(?:[nN]ame|namespace): {name}$", manifests, re.MULTILINE), name
