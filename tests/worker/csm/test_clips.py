"""Clips become codes as transformers makes them, once; the folder is never believed blindly."""

import logging
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor
from transformers import MimiModel

from benchmarks.fixtures.random_mimi import fill_codec, forget_embeddings, tiny_mimi_config
from wyoming_csm.audio import Samples
from wyoming_csm.errors import CheckpointError, VoiceError
from wyoming_csm.model.mimi.weights import NamedTensors, load_decoder
from wyoming_csm.voices import Clip
from wyoming_csm.worker.csm import clips
from wyoming_csm.worker.csm.clips import ClipEncoder

CODEBOOKS = 6


class Codec:
    """A checkpoint's codec, which counts how often its first convolution is read."""

    def __init__(self, seed: int = 1) -> None:
        self.model: Any = MimiModel(tiny_mimi_config())
        self.model.train(False)
        fill_codec(self.model, seed)
        forget_embeddings(self.model)
        self.loads = 0

    def tensors(self) -> NamedTensors:
        for name, tensor in self.model.state_dict().items():
            if name == "encoder.encoder_seanet.layers.0.conv.weight":
                yield name, self._count
            else:
                yield name, tensor.clone

    def _count(self) -> Tensor:
        self.loads += 1
        weight: Tensor = self.model.encoder.encoder_seanet.layers[0].conv.weight
        return weight.detach()

    def encoder(self, folder: Path, codebooks: int = CODEBOOKS) -> ClipEncoder:
        return ClipEncoder(self.model.config.to_dict(), self.tensors, codebooks, folder)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def codec() -> Codec:
    return Codec()


@pytest.fixture
def recording() -> Samples:
    """One second and a bit: 12.5 frames and 7 samples."""
    noise = np.random.default_rng(5).standard_normal(24_007) * np.hanning(24_007)
    return (0.2 * noise).astype(np.float32)


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_codes_are_those_of_transformers(codec: Codec, recording: Samples, tmp_path: Path) -> None:
    codes = codec.encoder(tmp_path).encode(recording)
    sound = torch.from_numpy(recording)[None, None]
    expected = codec.model.encode(sound, num_quantizers=CODEBOOKS).audio_codes[0].T
    assert codes.shape == (13, CODEBOOKS)
    assert codes.dtype == torch.int64
    assert len(set(codes.flatten().tolist())) > 10, "one code for everything proves nothing"
    assert torch.equal(codes, expected)


def test_what_was_encoded_sounds_as_transformers_decodes_it(
    codec: Codec, recording: Samples, tmp_path: Path
) -> None:
    codes = codec.encoder(tmp_path).encode(recording)
    decoder = load_decoder(codec.model.config.to_dict(), codec.tensors())
    state, active = decoder.new_state(1, "cpu"), torch.tensor([True])
    sound = torch.cat([decoder.step(frame[None], state, active)[0] for frame in codes])
    expected = codec.model.decode(codes.T[None]).audio_values[0, 0].detach()
    assert (sound - expected).abs().max() < 1e-4 * expected.square().mean().sqrt()


def test_a_long_recording_ends_as_transformers_ends_it(codec: Codec, tmp_path: Path) -> None:
    """Its last frame is filled up in each convolution, not with silence before the first."""
    noise = 0.2 * np.random.default_rng(5).standard_normal(25 * 24_000 + 7).astype(np.float32)
    whole = codec.model.encode(torch.from_numpy(noise)[None, None], num_quantizers=CODEBOOKS)
    codes = codec.encoder(tmp_path).encode(noise)
    assert codes.shape == (313, CODEBOOKS)
    assert (codes == whole.audio_codes[0].T).float().mean() > 0.99  # rounding may decide
    assert torch.equal(codes[-1], whole.audio_codes[0].T[-1])


@pytest.mark.parametrize("samples", [1, 1919, 1920, 1921, 3840])
def test_a_begun_frame_counts(codec: Codec, tmp_path: Path, samples: int) -> None:
    codes = codec.encoder(tmp_path).encode(np.full(samples, 0.1, np.float32))
    assert len(codes) == -(-samples // 1920)


def test_the_second_time_nothing_is_encoded(
    codec: Codec, recording: Samples, tmp_path: Path
) -> None:
    first = codec.encoder(tmp_path / "new" / "clips").encode(recording)
    again = codec.encoder(tmp_path / "new" / "clips").encode(recording)
    assert codec.loads == 1
    assert torch.equal(first, again)
    assert again.dtype == torch.int64
    assert [path.suffix for path in files(tmp_path / "new" / "clips")] == [".npy"]


def test_another_recording_codec_or_number_of_codebooks_is_another_file(
    codec: Codec, recording: Samples, tmp_path: Path
) -> None:
    codec.encoder(tmp_path).encode(recording)
    codec.encoder(tmp_path).encode(recording * np.float32(0.5))
    codec.encoder(tmp_path, codebooks=CODEBOOKS + 1).encode(recording)
    Codec(seed=2).encoder(tmp_path).encode(recording)
    assert len(files(tmp_path)) == 4


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"not codes",
        "half",
        np.full((13, CODEBOOKS), 2048, "<i2"),
        np.full((13, CODEBOOKS), -1, "<i2"),
        np.zeros((12, CODEBOOKS), "<i2"),
        np.zeros((13, CODEBOOKS), "<f8"),
        np.array([{"a": 1}], dtype=object),
    ],
    ids=["empty", "foreign", "half", "too high", "negative", "short", "floats", "pickle"],
)
def test_a_damaged_file_is_made_anew(
    codec: Codec, recording: Samples, tmp_path: Path, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = codec.encoder(tmp_path)
    codes = encoder.encode(recording)
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    if isinstance(damage, np.ndarray):
        np.save(path, damage, allow_pickle=True)
    else:
        path.write_bytes(whole[: len(whole) // 2] if damage == "half" else damage)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(encoder.encode(recording), codes)
    assert "damaged" in caplog.text
    assert path.read_bytes() == whole
    assert codec.loads == 2


def test_the_folder_does_not_grow_for_ever(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips, "MAX_FILES", 2)
    encoder = codec.encoder(tmp_path)
    sounds = [np.full(100, loudness, np.float32) for loudness in (0.1, 0.2, 0.3)]
    encoder.encode(sounds[0])
    (first,) = files(tmp_path)
    os.utime(first, (1, 1))
    encoder.encode(sounds[1])
    (second,) = set(files(tmp_path)) - {first}
    os.utime(second, (2, 2))
    encoder.encode(sounds[0])  # used again: now the newest
    encoder.encode(sounds[2])
    assert len(files(tmp_path)) == 2
    assert first in files(tmp_path)


def test_without_a_folder_to_write_to_it_still_encodes(
    codec: Codec, recording: Samples, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert len(codec.encoder(tmp_path / "file").encode(recording)) == 13
    assert "cannot be stored" in caplog.text


def test_codes_in_a_folder_that_is_only_to_be_read_serve(
    codec: Codec, recording: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(path)

    codes = codec.encoder(tmp_path).encode(recording)
    monkeypatch.setattr(Path, "touch", refused)
    assert torch.equal(codec.encoder(tmp_path).encode(recording), codes)
    assert codec.loads == 1


def test_a_voices_recording_is_read_from_its_file(codec: Codec, tmp_path: Path) -> None:
    encoder = codec.encoder(tmp_path / "clips")
    soundfile.write(tmp_path / "clip.wav", np.random.default_rng(5).normal(0, 0.1, 16_000), 16_000)
    assert encoder.encode_clip(Clip(str(tmp_path / "clip.wav"), "one")).shape == (13, CODEBOOKS)
    with pytest.raises(VoiceError):
        encoder.encode_clip(Clip(str(tmp_path / "none.wav"), "one"))


def test_a_codec_that_cannot_give_what_is_asked_is_refused(codec: Codec, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="8 codebooks, the model asks for 9"):
        codec.encoder(tmp_path, codebooks=9)


@pytest.mark.parametrize("change", ["missing", "unknown", "shape"])
def test_encoder_weights_that_do_not_fit_are_named(
    codec: Codec, recording: Samples, tmp_path: Path, change: str
) -> None:
    name = "encoder.downsample.conv.weight"

    def tensors() -> NamedTensors:
        for other, read in codec.tensors():
            if other != name or change == "unknown":
                yield other, read
        if change != "missing":
            other = name if change == "shape" else "encoder.layers.99.conv.bias"
            yield other, torch.ones(1).clone

    encoder = ClipEncoder(codec.model.config.to_dict(), tensors, CODEBOOKS, tmp_path)
    wrong = r"encoder\.layers\.99" if change == "unknown" else r"downsample\.conv\.weight"
    with pytest.raises(CheckpointError, match=wrong):
        encoder.encode(recording)
    assert files(tmp_path) == []


def test_a_recording_that_hangs_is_given_up(
    codec: Codec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As one does on a disk that does not answer; others of its folder are given up at once."""
    monkeypatch.setattr(clips, "READ_SECONDS", 0.1)
    for name in ("anna", "bob"):
        (tmp_path / name).mkdir()
    os.mkfifo(pipe := tmp_path / "anna/clip.wav")
    end = threading.Timer(10.0, answer, (pipe,))  # of the test, where it is not given up
    end.start()
    encoder = codec.encoder(tmp_path / "codes")
    try:
        for name in ("anna", "bob"):
            with pytest.raises(TimeoutError):
                encoder.encode_clip(Clip(str(tmp_path / name / "clip.wav"), "hello"))
        assert caplog.text.count(f"The disk of {tmp_path} does not answer: ") == 1
    finally:
        end.cancel()
        answer(pipe)


def answer(pipe: Path) -> None:
    """Let whoever reads it come to its end."""
    os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))
