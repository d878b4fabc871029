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
    if words[0] == "exec":
        assert words[1] in found["services"]
    else:
        assert words in (["up", "-d"], ["logs", "-f"])


def swarmed(command: str, _: object) -> None:
    """It deploys the stack, with all that its file leaves open, as what is not named is undone."""
    words = shlex.split(command, comments=True)
    named = [word.partition("=")[0] for word in words if re.match("[A-Z_]+=", word)]
    assert sorted(named) == sorted(set(re.findall(r"\$\{(\w+)", (ROOT / SCALE).read_text())))
    assert words[len(named) :] == ["docker", "stack", "deploy", "-c", SCALE, "speech"]


def entered(command: str, _: object) -> None:
    """It runs in a container of the stack, which begins with the name of a service."""
    services = yaml.load((ROOT / SCALE).read_text(), _Compose)["services"]
    assert re.findall(r" name=speech_(\w+) ", command)[0] in services


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
