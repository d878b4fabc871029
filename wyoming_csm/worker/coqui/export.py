"""VITS taken out of torch, once: what lies before its decoder and the decoder, each as ONNX.

Apart, so that the decoder's windows can be spoken while the rest of a sentence is still to come.
"""

import io
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wyoming_csm.audio import Samples
from wyoming_csm.worker.coqui.exported import (
    About,
    Exported,
    ExportedModel,
    fingerprints,
    optimised,
)
from wyoming_csm.worker.coqui.tokens import described
from wyoming_csm.worker.coqui.vits_streaming import reach

if TYPE_CHECKING:
    from wyoming_csm.worker.coqui.model import CoquiModel

_LOGGER = logging.getLogger(__name__)
_OPSET = 18
_TRACED_IDS = 50  # any text will do
_CHECKED_IDS = (1, 3, 80)
_FAULT = 1e-3
_FILES = ("speakers_file", "language_ids_file", "d_vector_file")  # in a model's configuration


def exported_or_none(model: "CoquiModel") -> tuple[Exported, ExportedModel] | None:
    """Export the VITS of a loaded model, as it is stored and as it speaks; None, with a line in the
    log, if that cannot be."""
    vits = model.vits
    try:
        exported = export(vits, model.rate)
        speaking = ExportedModel(model.name, exported)
        check(vits, speaking, exported.about)
    except Exception as error:  # an edge: the exporter and onnxruntime may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        _LOGGER.warning("%s stays with torch, which is slower: %s", model.name, reason)
        return None
    return exported, speaking


def export(vits: Any, rate: int) -> Exported:
    """Turn a loaded VITS, which gives sound at `rate` Hz, into ONNX.

    Its weights come out the same to rounding, without what only training needs. Raises anything,
    also if onnxruntime makes another sound of it.
    """
    about = _about(vits, rate)
    inputs = _inputs(about)
    with torch.no_grad(), _undone(vits):
        layout = _Layout(vits, tuple(inputs))
        made = layout(*inputs.values())
        whole = _onnx(layout, inputs, ("layout", "tone")[: len(made)])
        window = dict(zip(("layout", "tone"), made, strict=False))
        return Exported(about, whole, _onnx(vits.waveform_decoder, window, ("sound",)))


def check(vits: Any, exported: ExportedModel, about: About) -> None:
    """Raise ValueError if the sound without noise is not the model's own, to 60 dB below it."""
    inputs = _inputs(about)
    language = next(iter(about.languages), None)
    with torch.no_grad(), _undone(vits):
        layout = _Layout(vits, tuple(inputs))
        for length in _CHECKED_IDS:
            ids = [1 + n % (len(about.tokens.ids) - 1) for n in range(length)]
            quiet = (0.0, about.scales[1], 0.0)
            found = np.concatenate([*exported.speak(ids, "", language, quiet)])
            inputs |= {"ids": torch.tensor([ids]), "scales": torch.tensor(quiet)}
            wanted = vits.waveform_decoder(*layout(*inputs.values()))[0, 0].numpy()
            if len(found) != len(wanted) or _rms(found - wanted) > _FAULT * _rms(wanted):
                raise ValueError(f"onnxruntime makes another sound of {length} letters")


def _rms(sound: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(sound))))


def _about(vits: Any, rate: int) -> About:
    return About(
        rate=rate,
        margin=reach(vits.args),
        scales=(vits.inference_noise_scale, vits.length_scale, vits.inference_noise_scale_dp),
        tokens=described(vits.tokenizer),
        speakers=_speakers(vits),
        names=tuple(vits.speaker_manager.speaker_names) if vits.speaker_manager else (),
        languages=dict(vits.language_manager.name_to_id),
        reads_language=hasattr(vits, "emb_l"),
        files=fingerprints(_files(vits)),
    )


def _inputs(about: About) -> dict[str, Tensor]:
    """Make inputs of `_Layout`: some text, by the first speaker."""
    inputs = {"ids": torch.ones(1, _TRACED_IDS, dtype=torch.long), "scales": torch.ones(3)}
    if about.speakers:
        inputs["speaker"] = torch.tensor([about.speakers[about.names[0]]])
    if about.reads_language:
        number = next(iter(about.languages.values()))
        inputs["language"] = torch.tensor([number])
    return inputs


@contextmanager
def _undone(vits: Any) -> Iterator[None]:
    """Make what would hold for the traced text hold for every one; undo it and other settings."""
    scales = "inference_noise_scale", "length_scale", "inference_noise_scale_dp"
    before = {name: getattr(vits, name) for name in scales}
    attentions = [part for part in vits.modules() if hasattr(part, "emb_rel_k")]
    for part in attentions:
        part._get_relative_embeddings = _RelativeEmbeddings(part.rel_attn_window_size)
    try:
        yield
    finally:
        vars(vits).update(before)
        for part in attentions:
            del part._get_relative_embeddings


class _Layout(nn.Module):
    """VITS without its decoder: ids [1, letters] to its input [1, channels, frames], and to the
    speaker's conditioning [1, channels, 1] where there is one."""

    def __init__(self, vits: Any, names: Sequence[str]) -> None:
        super().__init__()
        self._vits, self._names = vits, names

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        given, vits = dict(zip(self._names, inputs, strict=True)), self._vits
        noise, length, duration_noise = given["scales"].unbind()
        vits.inference_noise_scale, vits.length_scale = noise, length
        vits.inference_noise_scale_dp = duration_noise
        ids, speaker = given["ids"], given.get("speaker")
        named = speaker is not None and speaker.dtype == torch.long
        aux = {
            "x_lengths": torch.ones_like(ids).sum(1),
            "speaker_ids": speaker if named else None,
            "d_vectors": None if named else speaker,
            "language_ids": given.get("language"),
        }
        decoder, seen = vits.waveform_decoder, _Seen()
        vits.waveform_decoder = seen
        try:
            vits.inference(ids, aux)
        finally:
            vits.waveform_decoder = decoder
        return seen.inputs


class _Seen(nn.Module):
    """Stands in for the decoder and notes what it would get."""

    def forward(self, layout: Tensor, g: Tensor | None = None) -> Tensor:
        self.inputs = (layout,) if g is None else (layout, g)
        return layout


class _RelativeEmbeddings:
    """Do as coqui-tts does, for every length: its choices by Python's `max` and `if` would be made
    for the traced one and hold for all."""

    def __init__(self, window: int) -> None:
        self._window = window

    def __call__(self, embeddings: Tensor, length: Any) -> Tensor:
        length = torch.as_tensor(length)
        pad = (length - (self._window + 1)).clamp(min=0)
        start = (self._window + 1 - length).clamp(min=0)
        padded = F.pad(embeddings, [0, 0, pad, pad, 0, 0])
        return padded[:, start : start + 2 * length - 1]


def _speakers(vits: Any) -> dict[str, int | list[float]]:
    """Return each speaker's number, or the vector for it; nothing if the model has but one tone."""
    manager = vits.speaker_manager
    if manager is None:
        return {}
    if hasattr(vits, "emb_g"):
        return dict(manager.name_to_id)
    vectors = {name: manager.get_mean_embedding(name) for name in manager.speaker_names}
    return {name: [float(x) for x in vector] for name, vector in vectors.items()}


def _files(vits: Any) -> Iterable[Path]:
    """Go through the files that the model's configuration names and that were read with it."""
    for config in (vits.config, vits.config.model_args):
        for key in _FILES:
            named = config.get(key) or ()
            for name in [named] if isinstance(named, str) else named:
                if Path(name).is_file():
                    yield Path(name)


def _onnx(module: nn.Module, inputs: dict[str, Tensor], outputs: Sequence[str]) -> bytes:
    """Export with every last dimension that differs from text to text left open."""
    open_ = {"ids": {1: "letters"}, "layout": {2: "frames"}, "sound": {2: "samples"}}
    made = io.BytesIO()
    with warnings.catch_warnings():  # of choices by Python, which are the same for all texts
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            made,  # type: ignore[arg-type]  # it takes a stream, too
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: open_[name] for name in (*inputs, *outputs) if name in open_},
            opset_version=_OPSET,
            dynamo=False,
        )
    return optimised(made.getvalue())
