"""Moonshine tiny, a small speech recogniser, from the folder that script/get-recogniser fills."""

import importlib.util
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from wyoming_csm.audio import SAMPLE_RATE, from_pcm

FOLDER = Path(
    os.environ.get("WYOMING_CSM_RECOGNISER", Path(__file__).parents[1] / ".cache/recogniser")
)
_FILES = ("encoder_model.onnx", "decoder_model_merged.onnx", "tokenizer.json")
_RATE = 16_000
_LAYERS, _HEADS, _HEAD_SIZE = 6, 8, 36
_START, _END = 1, 2
_TOKENS_PER_SECOND = 6.5  # more is the recogniser stammering


def missing() -> str:
    """Why it cannot be used here, or nothing."""
    if not all((FOLDER / name).is_file() for name in _FILES):
        return "no recogniser: run script/get-recogniser"
    if importlib.util.find_spec("onnxruntime") is None:
        return "no onnxruntime: run script/get-recogniser"
    return ""


class Recogniser:
    """English speech to text."""

    def __init__(self, folder: Path = FOLDER) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        cpu = ["CPUExecutionProvider"]
        self._encoder: Any = onnxruntime.InferenceSession(
            str(folder / _FILES[0]), options, providers=cpu
        )
        self._decoder: Any = onnxruntime.InferenceSession(
            str(folder / _FILES[1]), options, providers=cpu
        )
        vocabulary = json.loads((folder / _FILES[2]).read_text(encoding="utf-8"))["model"]["vocab"]
        self._words = {number: word for word, number in vocabulary.items()}

    def transcribe(self, pcm: bytes) -> str:
        """What is said in 24 kHz mono s16le."""
        samples = soxr.resample(from_pcm(pcm), SAMPLE_RATE, _RATE).astype(np.float32)
        (hidden,) = self._encoder.run(None, {"input_values": samples[None]})
        empty = np.zeros((0, _HEADS, 1, _HEAD_SIZE), dtype=np.float32)
        past = {
            f"past_key_values.{layer}.{side}.{part}": empty
            for layer in range(_LAYERS)
            for side in ("decoder", "encoder")
            for part in ("key", "value")
        }
        tokens = [_START]
        for step in range(int(len(samples) / _RATE * _TOKENS_PER_SECOND) + 1):
            known = {"input_ids": [tokens[-1:]], "encoder_hidden_states": hidden}
            logits, *present = self._decoder.run(
                None, {**known, "use_cache_branch": [step > 0], **past}
            )
            tokens.append(int(logits[0, -1].argmax()))
            if tokens[-1] == _END:
                break
            for name, value in zip(past, present, strict=True):
                if step == 0 or ".decoder." in name:
                    past[name] = value
        return self._text(tokens[1:])

    def _text(self, tokens: list[int]) -> str:
        subwords = (self._words.get(token, "") for token in tokens if token > _END)
        return "".join(subwords).replace("\u2581", " ").strip()


def words(text: str) -> list[str]:
    """Lower case, no punctuation, and numbers in words, as num2words has them.

    A recogniser writes what it heard as people write it: "$3.50", "7:05 a.m.", "November 27, 2026".
    "and" within a number does not count.
    """
    plain = re.sub(r"['\u2019]|(?<=\d),(?=\d{3})", "", text.lower())
    plain = re.sub(r"\b([ap])\.? ?m\b", r"\1m", plain).replace("per cent", "percent")
    for sign, name in _SIGNS.items():
        plain = plain.replace(sign, f" {name} ")
    plain = re.sub(r"(?<![\w.])[-\u2212](?=\d)", "minus ", plain)
    plain = re.sub(r"\$(\d+)(?:\.(\d\d))?", _dollars, plain)
    plain = re.sub(rf"({_MONTHS}) (\d{{1,2}})(?![\w.:])", r"\1 \2th", plain)
    plain = re.sub(r"(\d+)(?:st|nd|rd|th)\b", lambda day: _number(day[1], "ordinal"), plain)
    plain = re.sub(r"(\d{1,2}):(\d\d)", _time, plain)
    plain = re.sub(r"\d+(?:\.\d+){2,}", lambda parts: parts[0].replace(".", " point "), plain)
    plain = re.sub(r"(?<![\d.])20(?=[1-9]\d(?!\d))", "twenty ", plain)  # years
    plain = re.sub(r"\d+(?:\.\d+)?", lambda number: _number(number[0]), plain)
    plain = re.sub(r"[^a-z]+", " ", plain)
    return re.sub(r"\b(hundred|thousand) and\b", r"\1", plain).split()


_SIGNS = {"%": "percent", "\u00b0": "degrees", "km/h": "kilometers per hour"}
_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"


def _number(digits: str, kind: str = "cardinal") -> str:
    from num2words import num2words

    whole, _, fraction = digits.partition(".")
    said = [num2words(int(whole), to=kind).replace(" and ", " "), *(["point"] if fraction else [])]
    return f" {' '.join([*said, *(num2words(int(digit)) for digit in fraction)])} "


def _dollars(amount: re.Match[str]) -> str:
    cents = f" {amount[2]} cents" if int(amount[2] or 0) else ""
    return f"{amount[1]} dollars{cents}"


def _time(clock: re.Match[str]) -> str:
    hour, minute = clock.groups()
    if minute == "00":
        return hour
    return f"{hour} oh {int(minute)}" if minute.startswith("0") else f"{hour} {minute}"


def word_errors(said: list[str], understood: list[str]) -> int:
    """Words to replace, insert or drop (Levenshtein)."""
    costs = list(range(len(understood) + 1))
    for number, word in enumerate(said, start=1):
        diagonal, costs[0] = costs[0], number
        for column, other in enumerate(understood, start=1):
            cost = min(costs[column] + 1, costs[column - 1] + 1, diagonal + (word != other))
            diagonal, costs[column] = costs[column], cost
    return costs[-1]
