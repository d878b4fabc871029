"""CSM's place in the child process: device, weights, codec, tokenizer; then the frame loop."""

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch
from torch import Tensor

from wyoming_csm.config import CsmConfig
from wyoming_csm.model.checkpoint.load import CODEC, Checkpoint
from wyoming_csm.model.checkpoint.quantized_cache import WeightsCache
from wyoming_csm.model.csm import CsmModel
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.mimi.config import read_config
from wyoming_csm.model.mimi.decoder import MimiDecoder
from wyoming_csm.model.mimi.weights import load_decoder
from wyoming_csm.model.pipeline import FramePipeline
from wyoming_csm.model.prefix_cache import PrefixCache
from wyoming_csm.model.prompt import PromptBuilder
from wyoming_csm.model.quantization.onednn import pack
from wyoming_csm.model.sampling import Sampling
from wyoming_csm.model.toolchain import CURE, OLDEST, builds_for, has_triton
from wyoming_csm.voices import Clip
from wyoming_csm.worker.caches import compiled_folder
from wyoming_csm.worker.csm.checkpoints import find_checkpoint
from wyoming_csm.worker.csm.clips import ClipEncoder
from wyoming_csm.worker.csm.cost import capacity
from wyoming_csm.worker.csm.device import (
    Precision,
    choose_device,
    choose_precision,
    chooses_compile,
    kind_of,
)
from wyoming_csm.worker.csm.frame_loop import FrameLoop
from wyoming_csm.worker.csm.graph_memory import graph_node_bytes
from wyoming_csm.worker.csm.memory import Needs, free_bytes, plan, ran_out, taken
from wyoming_csm.worker.csm.runner import CsmRunner
from wyoming_csm.worker.csm.voice_prompts import Report
from wyoming_csm.worker.limits import LEAST_ON_GPU_SECONDS, LEAST_SECONDS
from wyoming_csm.worker.pipe import Child
from wyoming_csm.worker.protocol import Configure, Prepared, Ready, Starting

_LOGGER = logging.getLogger(__name__)


def run(child: Child, configure: Configure) -> None:
    """Load and speak until the process ends. Raises EngineUnavailable, CheckpointError."""
    config = msgspec.convert(configure.settings, CsmConfig)

    def progress(detail: str) -> None:
        child.send(Starting(detail))

    def report(clip: Clip, fault: str) -> None:
        child.send(Prepared(clip, fault))

    # One of several GPUs is its engine's choice: a child is told of its own only.
    device = choose_device(config.device if isinstance(config.device, str) else config.device[0])
    if device.type == "cuda":
        torch.cuda.set_device(device)
    folder, adapter = find_checkpoint(config, Path(configure.download_dir), progress)
    progress(f"loading {config.checkpoint} to {device}")
    try:
        stage = load_runner(
            config,
            folder,
            Path(configure.data_dir),
            device,
            progress,
            adapter=adapter,
            report=report,
        )
        stage.warm_up(progress)
    except torch.OutOfMemoryError as error:
        raise ran_out(device) from error
    # More may be spoken at once, but not in real time: the frame loop has them wait.
    slots = capacity(stage.slots, stage.step_seconds)
    child.send(Ready(_describe(device, choose_precision(config, device), stage.slots), slots))
    least = LEAST_SECONDS if device.type == "cpu" else LEAST_ON_GPU_SECONDS
    FrameLoop(child.inbox, child.send, stage, least_limit=least).run()


class Loaded(NamedTuple):
    """What speaks, before it is on the stage."""

    generator: FrameGenerator
    decoder: MimiDecoder
    pipeline: FramePipeline
    prompts: PromptBuilder
    kept: PrefixCache
    saving: Iterator[None]  # writes the weights to disk, step by step


def load_runner(
    config: CsmConfig,
    folder: Path,
    data_dir: Path,
    device: torch.device,
    progress: Callable[[str], None] = _LOGGER.debug,
    adapter: Path | None = None,
    report: Report | None = None,
) -> CsmRunner:
    """A stage with all it needs, from a checkpoint's folder, as large as there is memory for.

    `adapter`: a folder with one for that checkpoint.
    Compiled where that pays, which takes minutes when it is new to `data_dir`.
    Raises CheckpointError, EngineUnavailable, torch.OutOfMemoryError.
    """
    checkpoint = Checkpoint(folder, adapter)
    loaded = load_pipeline(config, checkpoint, data_dir, device, progress)
    clips = ClipEncoder(
        checkpoint.codec_config,
        lambda: codec_tensors(checkpoint),
        checkpoint.sizes.codebooks,
        data_dir / "clips",
    )
    return CsmRunner(
        loaded.pipeline,
        loaded.prompts,
        clips.encode_clip,
        config,
        loaded.kept,
        loaded.saving,
        report,
    )


def load_pipeline(
    config: CsmConfig,
    checkpoint: Checkpoint,
    data_dir: Path,
    device: torch.device,
    progress: Callable[[str], None] = _LOGGER.debug,
) -> Loaded:
    """As `load_runner`, without what encodes clips."""
    # From Hopper on it would be chosen, and plan for half a second at each new length of a prompt.
    torch.backends.cuda.enable_cudnn_sdp(False)
    codec, types = checkpoint.codec_config, choose_precision(config, device)
    on_host = config.text_table_on_host and device.type == "cuda"
    compiled = chooses_compile(config, device)
    needs = Needs(
        checkpoint.sizes, read_config(codec), types, on_host, compiled, graph_node_bytes(device)
    )
    planned = plan(config, needs, free_bytes(device), str(device))
    backbone, depth = kind_of(types.backbone), kind_of(types.depth)
    cache = checkpoint.cache(data_dir / "weights", types.compute, backbone, depth)
    model = _load_model(checkpoint, types, device, on_host, cache)
    sampling = choose_sampling(config, checkpoint.generation)
    generator = FrameGenerator(model, planned.slots, planned.positions, sampling)
    if compiled:
        progress("compiling, which takes minutes the first time")
        generator.compile(compiled_folder(data_dir, str(device)))
    else:
        pack(model)
    decoder = load_decoder(codec, codec_tensors(checkpoint), device)
    return Loaded(
        generator,
        decoder,
        FramePipeline(generator, decoder, graph_bytes=planned.graphs),
        PromptBuilder.of(checkpoint, planned.positions),
        PrefixCache(planned.kept, needs.position),
        cache.pieces(model) if cache is not None else iter(()),
    )


def _load_model(
    checkpoint: Checkpoint,
    types: Precision,
    device: torch.device,
    text_on_host: bool,
    cache: WeightsCache | None,
) -> CsmModel:
    backbone, depth = kind_of(types.backbone), kind_of(types.depth)
    if device.type == "cuda" and (backbone or depth) and not builds_for(device):
        _LOGGER.warning("%s", _why_slow(types))
    model = checkpoint.load(
        types.compute,
        device,
        backbone=backbone,
        depth=depth,
        text_on_host=text_on_host,
        cache=cache,
    )
    if device.type == "cuda":
        torch.cuda.empty_cache()  # of the pieces that it was loaded in
    return model


def _why_slow(types: Precision) -> str:
    """What quantised weights lack on a GPU that no kernel can be built for."""
    if not has_triton():
        return f"{types} is slow on a GPU without a C compiler: {CURE}"
    return (
        f"{types} is slow on a GPU of a compute capability below {OLDEST[0]}.{OLDEST[1]}:"
        " it takes less memory there, and more time; csm.dtype: auto is quicker"
    )


def _describe(device: torch.device, types: Precision, slots: int) -> str:
    """What speaks, in the words of the log and of `describe`."""
    if device.type != "cuda":
        return f"{device}, {types}"
    return f"{torch.cuda.get_device_name(device)}, {types}, {slots} slots, {taken(device)}"


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


def codec_tensors(checkpoint: Checkpoint) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    """The codec's tensors by their names inside it, read only when asked for."""
    for name in checkpoint.names(CODEC):
        yield name.removeprefix(CODEC), partial(checkpoint.tensor, name)
