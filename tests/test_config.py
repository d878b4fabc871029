"""The schema: what is refused, in which words, and that the example and the README repeat it."""

import os
import runpy
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from wyoming_csm.config import RENAMED, SECTIONS, Config, load, parse
from wyoming_csm.documents import MAX_BYTES
from wyoming_csm.errors import ConfigError
from wyoming_csm.settings import Setting, settings_of


def written(folder: Path, text: str | bytes, name: str = "config.yaml") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def complaint(folder: Path, text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text))
    return str(caught.value)


def leaves(settings: list[Setting]) -> list[Setting]:
    return [leaf for s in settings for leaf in (leaves(list(s.parts)) if s.parts else [s])]


def test_nothing_is_needed(tmp_path: Path) -> None:
    assert load(None) == load(written(tmp_path, "")) == load(written(tmp_path, "{}")) == Config()


def test_a_section_with_all_commented_out_is_the_default(tmp_path: Path) -> None:
    text = "".join(f"{name}:\n  # nothing\n" for name in (*SECTIONS, "presets"))
    assert load(written(tmp_path, text)) == Config()


def test_sections_are_those_of_the_schema() -> None:
    assert tuple(s.name for s in settings_of(Config) if s.parts) == SECTIONS


def test_values_arrive(tmp_path: Path) -> None:
    config = load(
        written(
            tmp_path,
            "uri: tcp://[::1]:10201\nengines: [system]\ncsm: {seed: 7, temperature: 0}\n"
            "coqui: {models: {de: tts_models/de/thorsten/vits, pt-br: x}}\n"
            "limits: {networks: [local, 10.1.2.3/8, 'fd00::/8']}\n",
        )
    )
    assert config.uri == "tcp://[::1]:10201"
    assert config.engines == ("system",)
    assert (config.csm.seed, config.csm.temperature) == (7, 0)
    assert config.coqui.models == {"de": "tts_models/de/thorsten/vits", "pt-br": "x"}
    assert config.limits.networks == ("local", "10.1.2.3/8", "fd00::/8")


def test_the_level_of_the_log_is_taken_in_any_case(tmp_path: Path) -> None:
    assert load(written(tmp_path, "log: {level: Debug}")).log.level == "DEBUG"


def test_sections_survive_the_way_to_the_child() -> None:
    for section in (Config().csm, Config().coqui, Config().system):
        assert msgspec.convert(msgspec.to_builtins(section), type(section)) == section


def test_json_with_tabs(tmp_path: Path) -> None:
    path = written(tmp_path, '{\n\t"uri": "tcp://a:1",\n\t"csm": {"seed": 3}\n}', "config.json")
    assert load(path).csm.seed == 3


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    assert load(written(tmp_path, b"\xef\xbb\xbflanguage: de\r\nvoice: a\r\n")).language == "de"


def test_home_is_found_in_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    config = load(written(tmp_path, "voices: ~/voices\ncsm: {token_file: ~/.token}\nvoice: ~b\n"))
    assert (config.voices, config.csm.token_file) == ("/home/ann/voices", "/home/ann/.token")
    assert config.voice == "~b"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("csm: {temprature: 1}", "csm.temprature: unknown setting; did you mean 'temperature'?"),
        ("engine: [csm]", "engine: unknown setting; did you mean 'engines'?"),
        ("log: {zzz: 1}", "log.zzz: unknown setting; known are: level, format"),
        ("zzz: 1", "zzz: unknown setting; known are: uri, engines, voice"),
        ("temperature: 1", "temperature: unknown setting; did you mean 'csm.temperature'?"),
        ("device: cpu", "device: unknown setting; did you mean 'csm.device' or 'coqui.device'?"),
        ("csm.slots: 1", "unknown setting; write `csm:` and below it, indented, `slots: 1`"),
        ("csm.zzz: [1]", "csm.zzz: unknown setting; write `csm:` and below it, indented, `zzz: …`"),
        ("memory_share: 0.5", "unknown setting; did you mean 'csm.gpu_memory_share'?"),
        ("coqui: {positions: 5}", "unknown setting; did you mean 'csm.context_positions'?"),
        ("csm: {sample_rate: 24000}", "csm.sample_rate: unknown setting; only 24000 is possible"),
        ("csm: {idle_unload: 10}", "csm.idle_unload: needs a unit: 10s, 10m, 1h (Give the GPU"),
        ("language: 5", "language: wrong form"),  # and no quotes would help
        ("limits: {networks: 10.0.0.0/8}", "limits.networks: write a list, as [10.0.0.0/8] (Net"),
        ("limits: {networks: {a: b}}", "limits.networks: write a list, as […]"),
        ("coqui: {models: NAME}", "coqui.models: write below it, indented, `en: NAME` (By"),
        ("coqui: {models: {de: x, en: 3}}", "coqui.models: Expected `str`, got `int`; write it in"),
        ("csm: {models: {}}", "csm.models: unknown setting; did you mean 'coqui.models'?"),
        ('"a`b\\nc": 1', "a`b\nc: unknown setting"),
        ("engines: [cms]", "engines: 'cms' is none of: coqui, csm, system"),
        ("engines: []", "engines: write a list, as [csm] (In order"),
        ("engines: [csm, csm]", "engines: an engine is named twice"),
        ("engines: system", "engines: write a list, as [system] (In order"),
        ("log: {level: loud}", "log.level: 'LOUD' is none of: DEBUG, ERROR, INFO, WARNING"),
        ("sample_rate: 22050", "sample_rate: unknown setting; only 24000 is possible"),
        ("sample_rate: [24000]", "sample_rate: unknown setting; only 24000 is possible"),
        ("samples_per_chunk: 100", "samples_per_chunk: Expected `int` >= 160"),
        ("language: no", "language: Expected `str`, got `bool`; write it in quotes"),
        ("language: english", "language: wrong form (Default language: en, de-CH)"),
        ("csm: {revision: 2024-01-01}", "csm.revision: Expected `str | null`, got `date`; write"),
        ("csm: {revision: 1234567}", "got `int`; write it in quotes"),
        ("csm: {temperature: 1e0}", "got `str`; write it without quotes and exponent"),
        ('limits: {connections: "5"}', "got `str`; write it without quotes and exponent"),
        ('discovery: {enabled: "no"}', "write true or false, without quotes"),
        ("csm: {device: gpu}", "csm.device: wrong form (auto: a GPU"),
        ("csm: {device: []}", "csm.device: a list must name one device or more"),
        ("csm: {device: [cuda, cuda:1, cuda:0]}", "csm.device: a list must name one device"),
        ("csm: 3", "csm: write below it, indented, its settings (Ses"),
        (
            "coqui: {models: {no: x}}",
            "coqui.models: the key False: Expected `str`, got `bool`; write",
        ),
        ("coqui: {models: {en: y, english: x}}", "coqui.models: the key 'english': wrong form (By"),
        ("1: x", "1: unknown setting; known are: uri"),
        ("limits: {connections: 1.5}", "limits.connections: Expected `int`, got `float`"),
        ("limits: {networks: [10.0.0.0/33]}", "limits.networks: '10.0.0.0/33'"),
        ("limits: {networks: [home]}", "limits.networks: 'home'"),
        (
            "limits: {networks: [3]}",
            "limits.networks: Expected `str`, got `int`; write it in quotes",
        ),
        ('voices: "\\0"', "voices: wrong form"),
        ('discovery: {name: "a\\nb"}', "discovery.name: only what can be printed"),
        ("[1]", "must be a table"),
        ("just words", "must be a table"),
        ("uri: 10200", "uri: Expected `str`, got `int`"),
        ("uri: http://a:1", "uri: 'http://a:1' is not like tcp://0.0.0.0:10200"),
        ("uri: tcp://a:65536", "is not like"),
        ("uri: tcp://a b:1", "is not like"),
        ("uri: tcp://::1:10200", "is not like"),
        ("uri: unix://", "is not like"),
    ],
)
def test_wrong_settings_are_named_with_the_cure(tmp_path: Path, text: str, words: str) -> None:
    assert words in complaint(tmp_path, text)


def loaded(folder: Path, text: str) -> tuple[Config, list[str]]:
    """The configuration, and what is said about it."""
    warnings: list[str] = []
    return load(written(folder, text), warnings.append), warnings


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("memory_share", "gpu_memory_share", 0.5),
        ("positions", "context_positions", 1024),
        ("kept_prompts_mb", "prompt_cache_mb", 64),
    ],
)
def test_old_names_go_on_working_with_one_warning(
    tmp_path: Path, old: str, new: str, value: float
) -> None:
    today, none = loaded(tmp_path, f"csm: {{{new}: {value}, seed: 7}}")
    assert none == []
    config, warnings = loaded(tmp_path, f"csm: {{{old}: {value}, seed: 7}}")
    assert config == today != Config()
    assert warnings == [f"{tmp_path}/config.yaml: csm.{old} is now called csm.{new}"]
    config, warnings = loaded(tmp_path, f"csm: {{{new}: {value}, {old}: 1, seed: 7}}")
    assert config == today
    assert warnings == [
        f"{tmp_path}/config.yaml: csm.{old} is now called csm.{new}, which is given too and counts"
    ]


def test_a_wrong_value_under_an_old_name_is_found_by_it(tmp_path: Path) -> None:
    said = complaint(tmp_path, "csm: {memory_share: 2}")
    assert said.startswith("csm.gpu_memory_share: Expected `float` <= 1.0")
    assert said.endswith("; csm.memory_share is now called csm.gpu_memory_share")


def test_a_dead_setting_is_accepted_with_one_warning(tmp_path: Path) -> None:
    config, warnings = loaded(tmp_path, "sample_rate: 24000\nlanguage: de")
    assert config == Config(language="de")
    said = "sample_rate is no setting any more, it is always 24000: leave it out"
    assert warnings == [f"{tmp_path}/config.yaml: {said}"]
    assert complaint(tmp_path, "sample_rate: 22050").endswith("Leave the setting out")


def test_old_names_stand_in_no_schema() -> None:
    known = {leaf.path for leaf in leaves(list(settings_of(Config)))}
    for (section, old), new in RENAMED.items():
        assert f"{section}.{old}" not in known
        assert f"{section}.{new}" in known
    assert "sample_rate" not in known


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("csm:\n  seed: 1\ncsm:\n  top_k: 5\n", "line 3: 'csm' is set twice"),
        ('{"csm": {"seed": 1, "seed": 2}}', "'seed' is set twice"),
        ("csm: {seed: 1\nuri: x", "line 2, column"),
        ("a:\n\t- b\n", "line 2"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1"),
        ("csm: {revision: 2024-13-45}", "month must be in 1..12"),
        ("csm: {seed: " + "1" * 5000 + "}", "limit"),
        ("a: !!bool maybe", "maybe"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("a: *nowhere", "undefined alias"),
        ("x: [" * 5000, "line 1: brackets are nested too deep"),
        ('{"a":' * 50_000, "nested too deep"),
        (b"\xff\xfea\x00", "not UTF-8"),
        (b"a: \x00", "special characters"),
        ("# " + "x" * MAX_BYTES, "larger than 256 KiB"),
    ],
    ids=range(15),
)
def test_broken_files_are_one_line(tmp_path: Path, text: str | bytes, words: str) -> None:
    said = complaint(tmp_path, text)
    assert words in said
    assert said.startswith(str(tmp_path / "config.yaml"))
    assert "\n" not in said


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be used: No such file"):
        load(tmp_path / "nothing.yaml")
    with pytest.raises(ConfigError, match="it is not a file"):
        load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="it is not a file"):
        load(tmp_path / "pipe")  # and does not wait for a writer


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{n}: &{n} [{','.join(['*' + p] * 9)}]\n" for p, n in pairwise("abcdefghi")),
        "limits: {networks: &a [*a]}",
        "&a {csm: *a}",
    ],
    ids=["a billion laughs", "a list within itself", "a table within itself"],
)
def test_anchors_cost_nothing(tmp_path: Path, text: str) -> None:
    before = time.thread_time()
    complaint(tmp_path, text)
    assert time.thread_time() - before < 2


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf", "-1"])
def test_no_number_is_unbounded(tmp_path: Path, value: str) -> None:
    numbers = [s for s in leaves(list(settings_of(Config))) if _is_number(s)]
    assert len(numbers) > 15
    for setting in numbers:
        section, _, name = setting.path.rpartition(".")
        text = f"{section}: {{{name}: {value}}}" if section else f"{name}: {value}"
        assert setting.path in complaint(tmp_path, text)


def _is_number(setting: Setting) -> bool:
    optional = {"temperature", "top_k", "depth_temperature", "depth_top_k", "seed"}
    default: Any = setting.default
    return setting.name in optional or (
        isinstance(default, (int, float)) and not isinstance(default, bool)
    )


def test_every_setting_says_what_it_is() -> None:
    for setting in settings_of(Config):
        assert setting.description, setting.path
    for setting in leaves(list(settings_of(Config))):
        assert setting.description, setting.path


def test_parse_leaves_its_argument_alone() -> None:
    found = {"csm": {"positions": 512}, "log": None, "sample_rate": 24_000, "voice": "a"}
    before = repr(found)
    parse(found)
    assert repr(found) == before


def test_the_example_is_the_defaults_and_up_to_date() -> None:
    root = Path(__file__).parent.parent
    made = runpy.run_path(str(root / "script/describe_config.py"))["example"]()
    assert (root / "config/example.yaml").read_text() == made, "run script/describe_config.py"
    assert load(root / "config/example.yaml") == Config()
