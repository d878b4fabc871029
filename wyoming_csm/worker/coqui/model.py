"""One Coqui model: its files loaded, a sentence in, sound out.

Imported only after `coqui_setup.prepare`: it imports torch and coqui-tts.
"""

import pickle
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from TTS.tts.models.vits import Vits
from TTS.utils.synthesizer import PAD_SILENCE_SAMPLES, Synthesizer

from wyoming_csm.audio import Samples
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.worker.coqui.files import ModelFiles
from wyoming_csm.worker.coqui.vits_streaming import in_pieces

# What wrong or damaged files, a missing phonemizer or too little memory raise below.
_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)


class CoquiModel:
    """Raises EngineUnavailable if the files do not make a model here."""

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
        except _FAULTS as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise EngineUnavailable(
                f"{name} cannot be loaded from {files.checkpoint} ({reason})",
                "if the files are damaged, remove them and start again",
            ) from error
        self._model: Any = self._synthesizer.tts_model
        if getattr(self._model, "disc", None) is not None:
            self._model.disc = None  # VITS's judge in training: over half of its memory
        self._tokenizer: Any = self._model.tokenizer
        self._reads = hasattr(self._tokenizer, "text_to_ids")
        if self._reads:  # asked twice for each sentence
            self._tokenizer.text_to_ids = lru_cache(maxsize=1)(self._tokenizer.text_to_ids)
        speakers = getattr(self._model, "speaker_manager", None)
        names: list[str] = list(speakers.speaker_names) if speakers else []
        self._speakers = {name.strip(): name for name in names if name.strip()}

    @property
    def rate(self) -> int:
        """Of the sound, in Hz."""
        return int(self._synthesizer.output_sample_rate)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names to choose among, if there are several."""
        return tuple(self._speakers) if len(self._speakers) > 1 else ()

    @property
    def languages(self) -> tuple[str, ...]:
        """Their names in the model, if there are several."""
        manager = getattr(self._model, "language_manager", None)
        names = tuple(manager.language_names) if manager else ()
        return names if len(names) > 1 else ()

    def read(self, text: str, language: str | None) -> None:
        """Into letters or phonemes, for nobody: what the first of its kind loads is there then."""
        with suppress(*_FAULTS):  # a sentence like it will say so
            self._can_speak(text, language)

    def say(self, text: str, speaker: str, language: str | None) -> Iterator[Samples]:
        """Pieces [samples] at `rate`. An unknown speaker is the first.

        Nothing that could be spoken is no sound.
        """
        if not any(char.isalnum() for char in text) or not self._can_speak(text, language):
            return
        who = self._speakers.get(speaker) or next(iter(self._speakers.values()), None)
        if isinstance(self._model, Vits):
            yield from in_pieces(
                self._model,
                lambda: self._model.synthesize(text=text, speaker=who, language=language),
            )
            return
        sound = self._synthesizer.tts(
            text, speaker_name=who, language_name=language, split_sentences=False
        )
        yield np.asarray(sound[:-PAD_SILENCE_SAMPLES], dtype=np.float32)

    def _can_speak(self, text: str, language: str | None) -> bool:
        """Does anything of the text remain in the model's own letters or phonemes?"""
        if not self._reads:
            return True
        manager = self._model.language_manager
        if language is None and manager.num_languages == 1:  # as coqui's own call has it
            language = manager.language_names[0]
        ids = self._tokenizer.text_to_ids(text, language=language)
        return any(self._tokenizer.characters.id_to_char(i).isalnum() for i in ids)
