"""One Coqui model: its files loaded, a sentence in, sound out.

Imported only after `setup.prepare`: it imports torch and coqui-tts, which raise anything over wrong
or damaged files, a missing phonemizer or too little memory.
"""

import logging
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from TTS.tts.models.vits import Vits
from TTS.utils.synthesizer import PAD_SILENCE_SAMPLES, Synthesizer

from wyoming_csm.audio import Samples
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.worker.coqui.files import ModelFiles
from wyoming_csm.worker.coqui.phonemes import initials_apart
from wyoming_csm.worker.coqui.tokens import Alphabet
from wyoming_csm.worker.coqui.vits_streaming import SPEEDS, in_chunks, reach

_LOGGER = logging.getLogger(__name__)


class CoquiModel:
    """A loaded model. Raises EngineUnavailable if the files do not make one here."""

    def __init__(self, name: str, files: ModelFiles, device: str) -> None:
        on_gpu = device != "cpu"
        try:
            if on_gpu:
                torch.cuda.set_device(device)
            self._synthesizer: Any = Synthesizer(
                tts_checkpoint=files.checkpoint,
                tts_config_path=files.config,
                vocoder_checkpoint=files.vocoder,
                vocoder_config=files.vocoder_config,
                use_cuda=on_gpu,
            )
        except EngineUnavailable:  # it needs torchaudio
            raise
        except Exception as error:  # an edge, as said above
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise EngineUnavailable(
                f"{name} cannot be loaded from {files.checkpoint} ({reason})",
                "if the files are damaged, remove them and start again",
            ) from error
        self.name = name
        self.rate = int(self._synthesizer.output_sample_rate)  # Hz
        self._model: Any = self._synthesizer.tts_model
        self.vits = self._model if isinstance(self._model, Vits) else None
        self.speeds = (1.0, 1.0)
        if self.vits is not None:
            self.speeds = SPEEDS
            self._usual_length: float = self.vits.length_scale
            self.vits.disc = None  # its judge in training: over half of its memory
            fold_weights(self.vits)
        self._tokenizer: Any = self._model.tokenizer
        self._has_ids = hasattr(self._tokenizer, "text_to_ids")
        if self._has_ids:  # asked twice for each sentence
            self._tokenizer.text_to_ids = lru_cache(maxsize=1)(self._tokenizer.text_to_ids)
        self.alphabet: Alphabet | None = None
        if self._has_ids and not self._tokenizer.use_phonemes:
            vocabulary = self._tokenizer.characters.vocab
            self.alphabet = Alphabet(vocabulary, self._tokenizer.text_cleaner)
        speakers = getattr(self._model, "speaker_manager", None)
        names: list[str] = list(speakers.speaker_names) if speakers else []
        self._speakers = {name.strip(): name for name in names if name.strip()}
        manager = getattr(self._model, "language_manager", None)
        languages = tuple(manager.language_names) if manager else ()
        # Those to choose among, in the model's own words; one alone is no choice.
        self.speakers = tuple(self._speakers) if len(self._speakers) > 1 else ()
        self.languages: tuple[str, ...] = languages if len(languages) > 1 else ()

    def read(self, text: str, language: str | None) -> None:
        """Turn `text` into letters or phonemes, so that what this loads is there for the next."""
        try:
            self._can_speak(text, language)
        except Exception as error:  # the same edge: a sentence like it will say so
            _LOGGER.warning("%s could not read a first text: %s", self.name, error)

    def say(
        self, text: str, speaker: str, language: str | None, speed: float = 1.0
    ) -> Iterator[Samples]:
        """Make the sound of `text` in chunks [samples] at `rate`, so many times as fast as usual.
        May raise anything.

        An unknown speaker is the first one. A text without anything to speak is no sound.
        """
        text = self._apart(text, language)
        if not any(char.isalnum() for char in text) or not self._can_speak(text, language):
            return
        name = self._speakers.get(speaker) or next(iter(self._speakers.values()), None)
        if isinstance(self._model, Vits):
            self._model.length_scale = self._usual_length / speed
            yield from speak_vits(
                self._model,
                self.rate,
                lambda: self._model.synthesize(text=text, speaker=name, language=language),
            )
            return
        sound = self._synthesizer.tts(
            text, speaker_name=name, language_name=language, split_sentences=False
        )
        yield np.asarray(sound[:-PAD_SILENCE_SAMPLES], dtype=np.float32)

    def _apart(self, text: str, language: str | None) -> str:
        phonemizer = getattr(self._tokenizer, "phonemizer", None)
        if phonemizer is None or phonemizer.name() not in ("espeak", "multi-phonemizer"):
            return text
        return initials_apart(text, getattr(phonemizer, "language", language))

    def _can_speak(self, text: str, language: str | None) -> bool:
        """Return whether anything of the text remains in the model's own letters or phonemes."""
        if not self._has_ids:
            return True
        manager = self._model.language_manager
        if language is None and manager.num_languages == 1:  # as coqui's own call has it
            language = manager.language_names[0]
        ids = self._tokenizer.text_to_ids(text, language=language)
        return any(self._tokenizer.characters.id_to_char(i).isalnum() for i in ids)


def speak_vits(vits: Any, rate: int, synthesize: Callable[[], object]) -> Iterator[Samples]:
    """Yield the sound that `synthesize()` has `vits` make, in chunks [samples] at `rate`."""
    decoder = vits.waveform_decoder
    layouts: list[tuple[Tensor, Tensor | None]] = []

    def put_aside(
        _: object, args: tuple[Tensor, ...], kwargs: dict[str, Tensor | None]
    ) -> tuple[tuple[Tensor, ...], dict[str, Tensor | None]]:
        layouts.append((args[0], kwargs.get("g")))
        return (args[0][..., :1],), kwargs

    with decoder.register_forward_pre_hook(put_aside, with_kwargs=True):
        synthesize()
    layout, tone = layouts[0]  # [1, channels, frames], [1, channels, 1]

    def decode(start: int, end: int) -> Samples:
        with torch.inference_mode():
            sound = decoder(layout[..., start:end], g=tone)  # [1, 1, samples]
        return np.asarray(sound[0, 0].float().cpu().numpy(), np.float32)

    yield from in_chunks(layout.shape[-1], reach(vits.args), rate, decode)


def fold_weights(module: nn.Module) -> None:
    """Make plain weights of normalised ones, which are computed anew each time they are used."""
    for part in module.modules():
        if parametrize.is_parametrized(part, "weight"):
            parametrize.remove_parametrizations(part, "weight")
