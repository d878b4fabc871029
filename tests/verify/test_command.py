"""`verify` agrees where both sides are right, in every layout and type, or says why it cannot."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import soundfile
import torch

from wyoming_csm.__main__ import main
from wyoming_csm.config import Config, parse
from wyoming_csm.errors import ConfigError, EngineUnavailable
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.verify import FIRST_UNTRIED, OLDEST, require_packages
from wyoming_csm.verify.command import (
    BROKEN,
    device_for_reference,
    float32_bytes,
    require_host_memory,
    verify,
)
from wyoming_csm.verify.ours import Parts, Setting, make_case, make_sound
from wyoming_csm.worker.csm.device import Precision
from wyoming_csm.worker.csm.load import Loaded

pytestmark = pytest.mark.slow

STAGES = ["text", "clip", "logits", "frames", "sound"]


def settings(folder: Path, data: Path, dtype: str = "float32", **more: object) -> Config:
    csm = {"checkpoint": str(folder), "device": "cpu", "dtype": dtype, **more}
    return parse({"csm": csm, "data_dir": str(data), "voices": str(data / "voices")})


def briefly(folder: Path, data: Path, dtype: str = "float32", **more: object) -> Config:
    """With a voice whose clip has one second: what is generated has eleven, which each side encodes
    and decodes."""
    voice = data / "voices/anna"
    voice.mkdir(parents=True, exist_ok=True)
    soundfile.write(voice / "clip.wav", make_sound(1.0), 24_000)
    (voice / "clip.txt").write_text("the light is on")
    return msgspec.structs.replace(settings(folder, data, dtype, **more), voice="anna")


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The last line, which is for a report."""
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])["verify"]
    return found


@pytest.mark.parametrize(
    ("layout", "dtype"),
    [
        ("flat", "bfloat16"),
        ("flat", "int8"),
        ("nested", "float32"),
        pytest.param("flat", "float32", marks=pytest.mark.weekly),
        pytest.param("nested", "bfloat16", marks=pytest.mark.weekly),
        pytest.param("nested", "int8", marks=pytest.mark.weekly),
    ],
)
def test_both_sides_agree(
    layout: str,
    dtype: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder: Path = request.getfixturevalue(layout)
    assert verify(settings(folder, tmp_path, dtype), None, 4) == 0
    found = told(capsys)
    assert (found["equal"], found["different"], found["types"]) == (True, [], dtype)
    assert found["codec_names"] == {"flat": "flat", "nested": "since 5.21"}[layout]
    assert all(found[stage]["equal"] for stage in STAGES)
    assert found["clip"]["frames"] == 138
    assert found["frames"]["frames"] == 4
    if dtype == "float32":
        assert found["logits"]["error"] < 1e-5
        assert found["frames"]["codes_other"] == 0
    else:
        assert 0 < found["logits"]["error"] < 2 * found["logits"]["error_transformers"] < 0.2
    assert ("quantising" in found["logits"]) == ("weights" in found) == (dtype == "int8")


@pytest.mark.parametrize("dtypes", [("fp8", None), ("int4", None), ("bfloat16", "int8")])
def test_other_types_agree(
    dtypes: tuple[str, str | None], flat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dtype, depth = dtypes
    assert verify(briefly(flat, tmp_path, dtype, depth_dtype=depth), None, 3) == 0
    assert "DIFFER" not in capsys.readouterr().out


def test_the_configured_voice_lends_its_clip(
    flat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    briefly(flat, tmp_path)
    (tmp_path / "c.yaml").write_text(
        f"csm: {{checkpoint: {flat}, device: auto}}\n"
        f"voices: {tmp_path}/voices\ndata_dir: {tmp_path}/data\n"
    )
    words = ["--config", str(tmp_path / "c.yaml"), "--voice", "anna", "--frames", "2"]
    assert main(["verify", *words, "--device", "cpu", "--dtype", "float32", "--text", "a"]) == 0
    out = capsys.readouterr().out
    assert "2 frames after voice anna" in out
    assert json.loads(out.splitlines()[-1])["verify"]["clip"]["frames"] == 13
    assert str(tmp_path) not in out  # a report tells nothing of the user's folders


def test_only_what_is_an_error_of_the_user_is_called_one(
    tmp_path: Path, flat: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text(f"csm: {{checkpoint: {tmp_path}/none, device: cpu}}")
    assert main(["verify", "--config", str(tmp_path / "c.yaml")]) == 2
    assert "set csm.checkpoint to a folder that exists" in capsys.readouterr().err
    assert main(["verify", "--config", str(tmp_path / "c.yaml"), "--dtype", "int7"]) == 2
    assert "csm.dtype" in capsys.readouterr().err

    def load(setting: Setting) -> Loaded:
        raise ZeroDivisionError("of a library")

    assert verify(settings(flat, tmp_path), None, 1, Parts(load=load)) == BROKEN
    assert "ZeroDivisionError: of a library" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_without_a_gpu_it_says_how_to_compare_on_the_cpu(flat: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="--device cpu"):
        verify(settings(flat, tmp_path, device="auto"), None, 1)


def test_packages_that_are_missing_or_untried_are_named() -> None:
    here = {"torch": "2.13.0", "transformers": "5.20.1", "safetensors": "1", "tokenizers": "1"}
    require_packages(here.get)
    with pytest.raises(EngineUnavailable, match=r"not installed: transformers.*\[csm\]"):
        require_packages({**here, "transformers": None}.get)
    for other in ("5.16.9", "4.57.0", "{}.{}.0.dev0".format(*FIRST_UNTRIED)):
        with pytest.raises(EngineUnavailable, match=r"pip install 'transformers>=5\.17,<"):
            require_packages({**here, "transformers": other}.get)
    require_packages({**here, "transformers": "{}.{}.0".format(*OLDEST)}.get)


def test_short_memory_is_said_before_anything_is_loaded(flat: Path) -> None:
    require_host_memory(1_000, "a small thing")
    with pytest.raises(
        EngineUnavailable, match=r"a large thing needs 1000000000\.0 GB, \d+\.\d GB"
    ):
        require_host_memory(10**18, "a large thing")
    bytes_needed = float32_bytes(Checkpoint(flat))
    assert bytes_needed == pytest.approx((flat / "model.safetensors").stat().st_size, 0.05)
    assert float32_bytes(Checkpoint(flat), but="F32") == 0
    types = Precision("bfloat16", "int8", torch.bfloat16)
    assert device_for_reference(Checkpoint(flat), torch.device("cpu"), types).type == "cpu"


def test_what_only_one_side_takes_for_control_is_not_compared(tmp_path: Path) -> None:
    case = make_case(Config(voices=str(tmp_path)), "[2] <|end_of_text|>\udcff it is 5", 1)
    assert case.text == "2] end_of_text|>? it is 5"


def test_words_that_are_wrong(flat: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("0", "-3", "many", "2000"):
        with pytest.raises(SystemExit):
            main(["verify", "--frames", word])
        assert "must be a number from 1 to 1000" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        parse({"csm": {"device": "gpu"}})
