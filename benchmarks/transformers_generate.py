"""transformers' `generate`, the reference implementation, as a rival."""

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import CompileConfig, CsmForConditionalGeneration, LogitsProcessor


def load(folder: Path, dtype: torch.dtype, device: torch.device) -> Any:
    """The checkpoint as transformers has it."""
    made_of: Any = CsmForConditionalGeneration
    return made_of.from_pretrained(folder, dtype=dtype).to(device).eval()


class Generate:
    """Eager, or with static caches and compiled forward passes as its documentation has it."""

    def __init__(self, model: Any, temperature: float, top_k: int, *, compiled: bool) -> None:
        self.name = "transformers' generate" + (", static and compiled" if compiled else "")
        self._model = model
        self._end = model.config.audio_eos_token_id
        self._options: dict[str, Any] = {"do_sample": True, "temperature": temperature}
        self._options |= {"top_k": top_k}
        how: Any = CompileConfig() if compiled else None  # reduce-overhead
        if compiled:
            how._compile_all_devices = True  # it leaves CPUs out otherwise
        # Said by the eager one, too: the depth decoder remembers what it was told last.
        self._options |= {"cache_implementation": "static" if compiled else None}
        self._options |= {"compile_config": how}
        self._options |= {f"depth_decoder_{key}": v for key, v in self._options.items()}

    @torch.inference_mode()
    def speak(self, prompt: Tensor, frames: int) -> list[float]:
        """Seconds from the call until each frame's codes were there; prompts of text only.

        A frame is seen to be there when the next one's first logits are: each time is one
        backbone pass late, the distances are right.
        """
        ids = prompt[None, :, -1].to(self._model.device)
        clock = _Clock()
        began = time.perf_counter()
        self._model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=frames + 1,
            logits_processor=[clock],
            **self._options,
        )
        return [seen - began for seen in clock.seen[1:]]

    @torch.inference_mode()
    def decode(self, codes: Tensor) -> Tensor:
        """codes [frames, codebooks] to sound [samples] on the host, all at once."""
        sound: Tensor = self._model.codec_model.decode(codes.T[None]).audio_values
        return sound[0, 0].cpu()


class _Clock(LogitsProcessor):
    """Notes when it is asked: once a frame. Its loop waits for the device each time anyway."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self.seen.append(time.perf_counter())
        return scores
