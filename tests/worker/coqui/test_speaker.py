"""Coqui's child process, on a machine that lacks what coqui-tts takes for granted."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.tiny_coqui import make_tiny_coqui
from tests.unpickled import hostile_model, listen
from tests.worker.coqui.coqui_child import CoquiChild
from wyoming_csm.audio import SAMPLE_RATE, from_pcm
from wyoming_csm.config import CoquiConfig
from wyoming_csm.voices import Voice
from wyoming_csm.worker.coqui.speaker import matching, to_24k
from wyoming_csm.worker.protocol import Ready, Unavailable

ROOT = Path(__file__).parents[3]
SENTENCE = "The kitchen light is on, the front door is locked, and it is warm outside."
# What coqui-tts puts numbers into words with; importing the real one takes over a second.
INFLECT = """
import pathlib

class engine:
    def number_to_words(self, number, **manner):
        with (pathlib.Path(__file__).parent / "numbers").open("a") as file:
            file.write(f"{number} {manner}\\n")
        return "a number"
"""
BROKEN_TORCHAUDIO = 'raise OSError("Could not load this library: _torchaudio.so")\n'

# -- what the machine may lack


@pytest.mark.parametrize("broken", [True, False])
def test_without_torchaudio_only_its_use_fails(tmp_path: Path, broken: bool) -> None:
    """Try it in a process of its own: with a torchaudio for another torch, or none at all."""
    if broken:
        (tmp_path / "torchaudio").mkdir()
        (tmp_path / "torchaudio" / "__init__.py").write_text(BROKEN_TORCHAUDIO)
    else:
        (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['torchaudio'] = None\n")
    script = """
import importlib.util
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.worker.coqui.setup import provide_torchaudio
provide_torchaudio()
import torchaudio
assert importlib.util.find_spec("torchaudio") is not None
assert not hasattr(torchaudio, "__path__")
try:
    torchaudio.functional.resample
except EngineUnavailable as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "needs torchaudio" in done.stdout
    assert "pip install torchaudio" in done.stdout
    assert (
        "Could not load this library" in done.stderr
    ) is broken  # only what is wrong is a warning


# -- the sound


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 48_000])
def test_chunks_become_24_khz_without_a_seam(rate: int) -> None:
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate).astype(np.float32)
    whole = from_pcm(b"".join(to_24k([wave], rate)))
    chunks = from_pcm(b"".join(to_24k(np.array_split(wave, 7), rate)))
    np.testing.assert_array_equal(chunks, whole)
    assert len(whole) == 2 * SAMPLE_RATE
    ideal = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE)
    middle = slice(2_400, -2_400)
    np.testing.assert_allclose(whole[middle], ideal[middle], atol=2e-3)


@pytest.mark.parametrize(
    ("code", "own"),
    [
        ("en", "en"),
        ("pt_BR", "pt-br"),
        ("pt-PT", "pt-br"),
        ("zh", "zh-cn"),
        ("EN-gb", "en"),
        ("xx", None),
    ],
)
def test_a_language_is_found_under_a_models_own_name(code: str, own: str | None) -> None:
    assert matching(code, ["de", "en", "pt-br", "zh-cn"]) == own


# -- the child process


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a model with two speakers that reads phonemes."""
    return make_tiny_coqui(tmp_path_factory.mktemp("coqui"), "phonemes")


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Iterator[CoquiChild]:
    """Start it on a machine without an espeak-ng command, with a torchaudio for another torch."""
    folder = tmp_path_factory.mktemp("child")
    (folder / "torchaudio").mkdir()
    (folder / "torchaudio" / "__init__.py").write_text(BROKEN_TORCHAUDIO)
    (folder / "inflect.py").write_text(INFLECT)
    listen(folder)
    (folder / "bare").mkdir()
    child = CoquiChild(
        folder,
        CoquiConfig(checkpoint=str(checkpoint), checkpoint_language="en"),
        PATH=str(folder / "bare"),
        PYTHONPATH=str(folder),
    )
    yield child
    child.close()


def voice_of(child: CoquiChild, speaker: str = "") -> Voice:
    assert isinstance(child.started, Ready), child.started
    return msgspec.structs.replace(child.started.voices[0], speaker=speaker)


@pytest.mark.slow
def test_it_has_read_one_number_of_each_kind_before_it_is_ready(child: CoquiChild) -> None:
    """The first listener would wait for what that loads."""
    assert isinstance(child.started, Ready), child.started
    numbers = (child.folder / "numbers").read_text()
    for number in ("21 ", "2nd ", "12 ", "1000 ", "2026 ", "100 "):
        assert number in numbers


@pytest.mark.slow
def test_a_child_speaks_a_local_model(child: CoquiChild) -> None:
    assert isinstance(child.started, Ready), child.started
    assert child.started.detail == "coqui_en on cpu"
    (voice,) = child.started.voices
    assert voice.rates == (0.5, 1.0)
    assert (voice.name, voice.language, voice.speakers) == ("coqui_en", "en", ("ann", "bob"))
    sound = from_pcm(child.say(SENTENCE, voice))
    assert len(sound) > SAMPLE_RATE
    assert np.sqrt(np.mean(sound**2)) > 1e-4


@pytest.mark.slow
def test_the_asked_speaker_speaks(child: CoquiChild) -> None:
    """Sounds differ by chance as well; the length of this model's do not, but by speaker."""
    lengths = {
        name: {len(child.say(SENTENCE, voice_of(child, name))) for _ in range(2)}
        for name in ("", "unknown", "ann", "bob")
    }
    assert lengths["ann"] == lengths[""] == lengths["unknown"]
    assert lengths["ann"].isdisjoint(lengths["bob"])


@pytest.mark.slow
def test_it_speaks_slower_and_faster(child: CoquiChild) -> None:
    slow, usual, fast = (
        len(child.say(SENTENCE, voice_of(child), rate)) for rate in (0.5, 1.0, 2.0)
    )
    assert slow > 1.4 * usual > 1.4 * 1.4 * fast


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "   ", "🎉🎉", "...", "—!?", "\u200b"])
def test_what_cannot_be_spoken_is_no_sound_and_no_error(child: CoquiChild, text: str) -> None:
    assert child.say(text, voice_of(child)) == b""


@pytest.mark.slow
def test_its_checkpoint_is_read_without_unpickling(child: CoquiChild) -> None:
    assert child.say("Hello.", voice_of(child))
    assert (child.folder / "unpickled").read_text() == ""


@pytest.mark.slow
def test_files_that_make_no_model_are_told_with_a_cure(tmp_path: Path) -> None:
    """Whatever the libraries raise over them. Here coqui-tts itself would run code of theirs."""
    bomb, unpickled = tmp_path / "exploded", listen(tmp_path)
    model = hostile_model(tmp_path / "model", bomb)
    settings = CoquiConfig(checkpoint=str(model))
    child = CoquiChild(tmp_path, settings, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    child.close()
    assert isinstance(child.started, Unavailable), child.started
    assert f"cannot be loaded from {model} (UnpicklingError: " in child.started.reason
    assert "mkdir would be called to unpickle it" in child.started.reason
    assert "remove them and start again" in child.started.cure
    assert not bomb.exists()
    assert "mkdir" in unpickled.read_text()  # the hook sees what there is


def test_arrays_are_unpickled_and_nothing_else(tmp_path: Path) -> None:
    """In a process of its own, which stays as it is."""
    np.save(tmp_path / "stats.npy", np.array({"mel": np.ones(2), "n": np.float64(1)}), True)
    hostile_model(tmp_path / "model", tmp_path / "exploded")
    script = """
import sys
import numpy as np
from pickle import UnpicklingError
from wyoming_csm.worker.coqui.setup import refuse_pickles
refuse_pickles()
assert np.load(sys.argv[1] + "/stats.npy", allow_pickle=True).item()["mel"].sum() == 2
try:
    np.load(sys.argv[1] + "/model/stats.npy", allow_pickle=True)
except UnpicklingError as error:
    print(error)
"""
    words = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    assert "mkdir would be called" in done.stdout
    assert not (tmp_path / "exploded").exists()
