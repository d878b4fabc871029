"""The Home Assistant apps' files: options of our own schema, translations, all that is copied."""

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docker.test_files import copied
from wyoming_csm import __version__
from wyoming_csm.config import Config, parse
from wyoming_csm.settings import Setting, settings_of

ROOT = Path(__file__).parents[2]
APPS = ROOT / "docker/home-assistant"
NAMES = ["wyoming_csm", "wyoming_csm_gpu_host"]


def read(*parts: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(APPS.joinpath(*parts).read_text())
    return found


def leaves(schema: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Each option's path and form."""
    for name, form in schema.items():
        if isinstance(form, dict):
            yield from leaves(form, f"{above}{name}.")
        else:
            yield above + name, form[0] if isinstance(form, list) else form


def ours() -> dict[str, Setting]:
    return {one.path: one for top in settings_of(Config) for one in (top, *top.parts)}


def with_value(path: str, value: object) -> dict[str, Any]:
    section, _, name = path.rpartition(".")
    return {section: {name: value}} if section else {name: value}


OPTIONS = dict(leaves(read("wyoming_csm", "config.yaml")["schema"]))


@pytest.mark.parametrize("path", OPTIONS)
def test_an_option_is_a_setting_with_its_choices_and_bounds(path: str) -> None:
    setting, form = ours()[path], OPTIONS[path]
    if form.startswith("list("):
        choices = form[len("list(") :].rstrip("?)").split("|")
        assert set(choices) <= set(setting.choices)
        if path != "engines":  # CSM cannot run there
            assert set(choices) == set(setting.choices)
    for bound in re.findall(r"-?[\d.]+", form) if form.startswith(("int(", "float(")) else ():
        number = float(bound) if form.startswith("float") else int(bound)
        parse(with_value(path, number))


def test_what_an_app_begins_with_is_read_by_our_loader() -> None:
    config = parse(read("wyoming_csm", "config.yaml")["options"])
    assert config.engines == ("coqui", "system")
    assert config.sound == Config().sound, "the rest as everywhere"
    assert config.cache == Config().cache


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["en", "de"])
def test_every_option_and_port_has_a_name_in_each_language(name: str, language: str) -> None:
    config = read(name, "config.yaml")
    told = read(name, "translations", f"{language}.yaml")

    def check(schema: dict[str, Any], entries: dict[str, Any]) -> None:
        assert set(entries) == set(schema)
        for option, form in schema.items():
            assert entries[option]["name"]
            if isinstance(form, dict):
                check(form, entries[option]["fields"])
            else:
                assert entries[option]["description"]

    check(config["schema"], told["configuration"])
    assert set(told.get("network", {})) == set(config.get("ports", {}))


@pytest.mark.parametrize("name", NAMES)
def test_an_app_has_what_home_assistant_shows(name: str) -> None:
    config = read(name, "config.yaml")
    assert config["version"] == __version__
    assert config["slug"] == name
    assert config["discovery"] == ["wyoming"]
    assert config["ingress"] is True
    assert f"## {__version__}" in (APPS / name / "CHANGELOG.md").read_text()
    for picture, size in (("icon.png", (128, 128)), ("logo.png", (250, 100))):
        head = (APPS / name / picture).read_bytes()[:24]
        assert head.startswith(b"\x89PNG")
        assert struct.unpack(">II", head[16:24]) == size


def test_without_torch_the_app_begins_with_the_small_voice(assembled: Path) -> None:
    config = yaml.safe_load((assembled / "wyoming_csm/config.yaml").read_text())
    assert config["options"]["engines"] == ["system"]
    assert "ARG TORCH=none" in (assembled / "wyoming_csm/Dockerfile").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_an_app_s_folder_holds_all_that_is_copied(assembled: Path, name: str) -> None:
    text = (assembled / name / "Dockerfile").read_text()
    words = copied(text)
    assert words
    assert all(list((assembled / name).glob(word)) for word in words)
    assert "HEALTHCHECK" in text
    assert f"ARG BUILD_VERSION={__version__}" in text
    assert "io.hass.type" in text
    assert (assembled / name / "DOCS.md").exists()
    assert not list((assembled / name).rglob("__pycache__"))
