"""CSM's place in the child process: device, weights, codec, tokenizer; then the frame loop."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from wyoming_csm.config import CsmConfig
from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.mimi.weights import load_decoder
from wyoming_csm.model.prompt import PromptBuilder
from wyoming_csm.model.sampling import Sampling
from wyoming_csm.model.weights import CODEC, Checkpoint
from wyoming_csm.worker.child import Child
from wyoming_csm.worker.clips import ClipEncoder
from wyoming_csm.worker.csm_stage import CsmStage
from wyoming_csm.worker.frame_loop import FrameLoop
from wyoming_csm.worker.hub import checkpoint_folder
from wyoming_csm.worker.protocol import Configure, Ready, Starting

_GPU_SLOTS = 4
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, AMD, Windows' WSL
_CPU_SLOTS = 1  # a step computes every slot, which only a GPU does for nothing


def run(child: Child, configure: Configure) -> None:
    """Load and speak until the process ends. Raises EngineUnavailable, CheckpointError."""
    config = msgspec.convert(configure.settings, CsmConfig)

    def progress(detail: str) -> None:
        child.send(Starting(detail))

    # One of several GPUs is its engine's choice: a child is told of its own only.
    device = choose_device(config.device if isinstance(config.device, str) else config.device[0])
    dtype = choose_dtype(config.dtype, device)
    folder = checkpoint_folder(config, Path(configure.download_dir), progress)
    progress(f"loading {config.checkpoint} to {device}")
    try:
        stage = load_stage(config, folder, Path(configure.data_dir), device, dtype)
        stage.warm_up()
    except torch.OutOfMemoryError as error:
        raise EngineUnavailable(
            f"the memory of {device} is too small, or others use it",
            "free some (nvidia-smi tells who has it), or set csm.slots to 1",
        ) from error
    stage.prepare(configure.voices)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    child.send(Ready(f"{name}, {str(dtype).removeprefix('torch.')}", stage.slots))
    FrameLoop(child.inbox, child.send, stage).run()


def load_stage(
    config: CsmConfig, folder: Path, data_dir: Path, device: torch.device, dtype: torch.dtype
) -> CsmStage:
    """Everything a `CsmStage` needs from a checkpoint's folder. Raises CheckpointError."""
    checkpoint = Checkpoint(folder)
    model = checkpoint.load(dtype, device)
    positions = checkpoint.sizes.backbone.positions
    slots = config.slots or (_CPU_SLOTS if device.type == "cpu" else _GPU_SLOTS)
    clips = ClipEncoder(
        checkpoint.codec_config,
        lambda: _codec_tensors(checkpoint),
        checkpoint.sizes.codebooks,
        data_dir / "clips",
    )
    return CsmStage(
        FrameGenerator(model, slots, positions, choose_sampling(config, checkpoint.generation)),
        load_decoder(checkpoint.codec_config, _codec_tensors(checkpoint), device),
        PromptBuilder.of(checkpoint),
        clips.encode_clip,
        config,
    )


def choose_sampling(config: CsmConfig, found: Mapping[str, Any]) -> Sampling:
    """The configuration's over the checkpoint's `generation_config.json`, its keys in `found`.

    What that leaves out is never taken as "always the likeliest", as transformers would: CSM
    babbles then. Without the file it is the original's sampling; without `depth_decoder_…` keys,
    which transformers drops on saving, the depth decoder samples as the backbone does.
    """
    sampling = Sampling.from_generation_config(found) if found else Sampling()
    if not any(key.startswith("depth_decoder_") for key in found):
        sampling = sampling.replaced(
            depth_temperature=sampling.temperature, depth_top_k=sampling.top_k
        )
    return sampling.replaced(
        temperature=config.temperature,
        top_k=config.top_k,
        depth_temperature=config.depth_temperature,
        depth_top_k=config.depth_top_k,
    )


def choose_device(wanted: str) -> torch.device:
    """As configured; `auto` is a GPU (ROCm's too) or nothing. Raises EngineUnavailable."""
    if wanted == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise _why_no_gpu()
    device = torch.device("cuda" if wanted == "auto" else wanted)
    if device.index is not None and device.index >= torch.cuda.device_count():
        raise EngineUnavailable(
            f"there is no {wanted}: {torch.cuda.device_count()} GPUs are here",
            "correct csm.device",
        )
    return device


def _why_no_gpu() -> EngineUnavailable:
    if torch.version.cuda or torch.version.hip:
        return EngineUnavailable(
            "PyTorch finds no GPU",
            "check that `nvidia-smi` works here (in Docker: give the container the GPU)",
        )
    if any(Path(device).exists() for device in _GPU_DEVICES):
        return EngineUnavailable(
            "a GPU is here, but the installed PyTorch is a build without CUDA",
            "remove it (.venv/bin/pip uninstall torch) and start ./run.sh again",
        )
    return EngineUnavailable(
        "no GPU is here",
        "another engine speaks; `csm: {device: cpu}` makes CSM speak without one, far too slowly",
    )


def choose_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """As configured; `auto` is what the device is quick and exact enough in."""
    if wanted in ("bfloat16", "float16", "float32"):
        dtype: torch.dtype = getattr(torch, wanted)
        return dtype
    if device.type == "cpu":
        return torch.float32
    # Before Ampere (8.0) bfloat16 is emulated; that PyTorch calls supported too.
    major, _ = torch.cuda.get_device_capability(device)
    return torch.bfloat16 if torch.version.hip or major >= 8 else torch.float16


def _codec_tensors(checkpoint: Checkpoint) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    """The codec's tensors by their names inside it, read only when asked for."""
    for name in checkpoint.names(CODEC):
        yield name.removeprefix(CODEC), partial(checkpoint.tensor, name)
