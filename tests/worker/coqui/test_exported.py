"""VITS by onnxruntime: the sound that torch makes of it, and starts without torch."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.tiny_coqui import make_tiny_coqui
from tests.worker.coqui.coqui_child import CoquiChild
from wyoming_csm.config import CoquiConfig
from wyoming_csm.worker.protocol import Ready, Unavailable

pytestmark = pytest.mark.skipif(
    not (find_spec("onnxruntime") and find_spec("onnx")), reason="of the extra coqui"
)

ROOT = Path(__file__).parents[3]
SENTENCE = "The kitchen light is on, the front door is locked, and it is warm outside."
MODELS: dict[str, dict[str, Any]] = {
    "one voice": {},
    "phonemes": {"phonemes": True, "cleaner": "english_cleaners"},
    "speakers": {"speakers": ["ann", " bob "], "stochastic": True},
    "languages": {"speakers": ["ann", "bob"], "languages": ["de", "en", "pt-br"]},
    "vectors": {"speakers": ["ann", "bob"], "vectors": True, "languages": ["en"]},
}

SCRIPT = """
import json, sys
from pathlib import Path
from tests.tiny_coqui import make_here
models, texts = json.loads(sys.argv[2]), json.loads(sys.argv[3])
for name, options in models.items():
    make_here(Path(sys.argv[1]) / name, **options)
import numpy as np, torch
from wyoming_csm.worker.coqui.exported import Exported, ExportedModel
from wyoming_csm.worker.coqui.export import export
from wyoming_csm.worker.coqui.files import local_files
from wyoming_csm.worker.coqui.model import CoquiModel

def joined(model, *words):
    chunks = [*model.say(*words)]
    return len(chunks), np.concatenate([*chunks, np.zeros(0, np.float32)])

def compare(here, texts):
    by_torch = CoquiModel("tiny", local_files(here / "model.pth", None), "cpu")
    by_torch.vits.inference_noise_scale = by_torch.vits.inference_noise_scale_dp = 0.0
    exported = export(by_torch.vits, by_torch.rate)
    (here / "file").write_bytes(b"".join(exported.chunks()))
    by_onnx = ExportedModel("tiny", Exported.read(here / "file"))
    found = []
    for text in texts:
        for speaker in ("", *by_torch.speakers, "unknown"):
            for language in by_torch.languages or (None,):
                for speed in (1.0, 0.5, 2.0) if len(text) > 50 and not speaker else (1.0,):
                    words = text, speaker, language, speed
                    (_, wanted), (count, sound) = joined(by_torch, *words), joined(by_onnx, *words)
                    rms = lambda it: float(np.sqrt(np.mean(it ** 2)))
                    same = len(wanted) == len(sound) != 0
                    fault = rms(sound - wanted) / rms(wanted) if same else None
                    found.append([*words, len(wanted), len(sound), count, fault])
    return {
        "found": found,
        "speakers": [by_torch.speakers, by_onnx.speakers],
        "languages": [by_torch.languages, by_onnx.languages],
        "rates": [by_torch.rate, by_onnx.rate],
    }

some = {name: texts[1:3] if "speakers" in models[name] else texts for name in models}
print(json.dumps({name: compare(Path(sys.argv[1]) / name, some[name]) for name in models}))
"""


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("languages",), marks=pytest.mark.slow(seconds=10)),
        pytest.param(tuple(MODELS), marks=pytest.mark.weekly),
    ],
    ids=["one", "all"],
)
def test_it_sounds_as_by_torch(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Without noise, to 60 dB below the sound: short texts and long, each speaker and language, odd
    texts with one voice."""
    models = {name: MODELS[name] for name in names}
    texts = ["a", "no", SENTENCE, "It's 7:45 AM, and 21 degrees.", "你好", "..."]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), json.dumps(models), json.dumps(texts)],
        stdout=subprocess.PIPE,
        check=True,
        cwd=ROOT,
    )
    compared = json.loads(done.stdout)
    assert compared.keys() == models.keys()
    for model, found in compared.items():
        for pair in ("speakers", "languages", "rates"):
            assert found[pair][0] == found[pair][1], model
        long: dict[float, int] = {}
        assert len(found["speakers"][0]) == (2 if "speakers" in MODELS[model] else 0), model
        for text, *_, speed, wanted, got, chunks, fault in found["found"]:
            if text == SENTENCE:
                long[speed] = wanted
            assert got == wanted, (model, text)
            assert (fault < 1e-3) if wanted else text in ("你好", "..."), (model, text)
            assert chunks > 1 or text != SENTENCE, model
        # What it has for a letter is rounded up: to 5 frames, or to 1, as chance has it.
        assert 1.5 * long[1.0] < long[0.5] <= 2 * long[1.0], model
        if "stochastic" not in MODELS[model]:
            assert long[1.0] / 2 <= long[2.0] < long[1.0] / 1.4, model


# -- the child


BLOCKED = "import sys\nfor name in {names!r}: sys.modules[name] = None\n"


class House:
    """A model and the folder in which children store what they made of it."""

    def __init__(self, folder: Path, checkpoint: Path, settings: CoquiConfig | None = None) -> None:
        self.folder, self.checkpoint = folder, checkpoint
        self.settings = settings or CoquiConfig(checkpoint=str(checkpoint), device="cpu")

    def start(self, *without: str) -> CoquiChild:
        """Start a child on a machine that lacks these modules."""
        block = self.folder / "without"
        shutil.rmtree(block, ignore_errors=True)
        block.mkdir()
        (block / "sitecustomize.py").write_text(BLOCKED.format(names=without))
        return CoquiChild(
            self.folder,
            self.settings,
            PYTHONPATH=os.pathsep.join((str(block), str(ROOT))),
        )

    def stored(self) -> list[Path]:
        return sorted((self.folder / "exported").glob("*"))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, make_tiny_coqui(tmp_path / "model"))


def lengths(child: CoquiChild) -> list[int]:
    """Return how much ann and bob say: of this model's sounds by chance, that is not."""
    try:
        assert isinstance(child.started, Ready), child.started
        voice = child.started.voices[0]
        assert set(voice.speakers) == {"ann", "bob"}
        each = [msgspec.structs.replace(voice, speaker=name) for name in ("ann", "bob")]
        return [len(child.say(SENTENCE, voice)) for voice in each]
    finally:
        child.close()


@pytest.mark.slow(seconds=25)
def test_a_later_start_needs_no_torch_until_a_file_changes(tmp_path: Path) -> None:
    """One model, named by the list and by its path: each start is what the one before it left."""
    name = "tts_models/en/ljspeech/vits"
    folder = tmp_path / "models" / "tts" / name.replace("/", "--")
    house = House(tmp_path, make_tiny_coqui(folder))
    of_the_list = House(tmp_path, house.checkpoint, CoquiConfig(models={"en": name}, device="cpu"))
    first = lengths(of_the_list.start())
    assert min(first) > 48_000
    (file,) = house.stored()
    bare = ("torch", "torchaudio", "trainer", "typeguard")
    for again in (of_the_list, house):
        child = again.start(*bare)
        assert lengths(child) == first
        assert isinstance(child.started, Ready)
        assert child.started.detail == "coqui_en on cpu"
    for changed in (house.checkpoint, folder / "config.json"):
        before = changed.read_bytes()
        changed.write_bytes(before + b" ")
        child = house.start(*bare)
        child.close()
        assert isinstance(child.started, Unavailable), changed
        changed.write_bytes(before)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1000])  # the disk was full, or worse
    child = house.start(*bare)
    child.close()
    assert isinstance(child.started, Unavailable)
    (folder / "speaker_ids.json").write_text('{"bob": 0, "ann": 1}')
    assert lengths(house.start()) == first[::-1]
    assert house.stored() == [file]
    assert file.stat().st_size == len(whole)


@pytest.mark.slow(seconds=5)
@pytest.mark.parametrize(
    ("missing", "told"),
    [
        pytest.param("onnxruntime", "Without onnxruntime", marks=pytest.mark.weekly),
        ("onnx", "stays with torch, which is slower"),
    ],
)
def test_what_cannot_be_exported_speaks_by_torch(
    house: House, capfd: pytest.CaptureFixture[str], missing: str, told: str
) -> None:
    assert min(lengths(house.start(missing))) > 48_000
    assert house.stored() == []
    assert told in capfd.readouterr().err
