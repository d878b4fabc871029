"""CSM in its child process: device, weights, codec, tokenizer; then the frame loop."""

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch
from torch import Tensor

from wyoming_csm.config import ConversationConfig, CsmConfig
from wyoming_csm.disk_cache import compiled_folder
from wyoming_csm.faults import switch_of
from wyoming_csm.model.checkpoint.load import CODEC, Checkpoint
from wyoming_csm.model.cuda import GraphRoom
from wyoming_csm.model.generator import FrameGenerator
from wyoming_csm.model.mimi.config import read_config
from wyoming_csm.model.mimi.decoder import MimiDecoder
from wyoming_csm.model.mimi.weights import load_decoder
from wyoming_csm.model.pipeline import FramePipeline
from wyoming_csm.model.prefix_cache import PrefixCache
from wyoming_csm.model.prompt import PromptBuilder
from wyoming_csm.model.quantization.onednn import pack
from wyoming_csm.model.sampling import Sampling
from wyoming_csm.voices import BARE_SPEAKERS, Clip
from wyoming_csm.worker.csm.checkpoints import find_checkpoint
from wyoming_csm.worker.csm.clips import ClipEncoder
from wyoming_csm.worker.csm.conversation import Conversations
from wyoming_csm.worker.csm.cost import capacity
from wyoming_csm.worker.csm.device import (
    Precision,
    choose_device,
    choose_precision,
    chooses_compile,
    kind_of,
    why_slow,
)
from wyoming_csm.worker.csm.frame_loop import FrameLoop
from wyoming_csm.worker.csm.identity import identify
from wyoming_csm.worker.csm.memory import (
    Needs,
    free_bytes,
    graph_node_bytes,
    memory_gauge,
    plan,
    ran_out,
    taken,
)
from wyoming_csm.worker.csm.runner import CsmRunner
from wyoming_csm.worker.csm.speaker_files import PatientSpeakerFiles, SpeakerFiles
from wyoming_csm.worker.csm.speakers import SpeakerPrompts
from wyoming_csm.worker.csm.voice_prompts import Report
from wyoming_csm.worker.pipe import LEAST_ON_GPU_SECONDS, LEAST_SECONDS, Child
from wyoming_csm.worker.protocol import Configure, Prepared, Ready, Starting

_LOGGER = logging.getLogger(__name__)


def run(child: Child, configure: Configure) -> None:
    """Load and speak until the process ends. Raises EngineUnavailable, CheckpointError."""
    config = msgspec.convert(configure.settings, CsmConfig)
    conversation = msgspec.convert(configure.conversation, ConversationConfig)

    def progress(detail: str) -> None:
        child.send(Starting(detail))

    def report(clip: Clip, fault: str) -> None:
        child.send(Prepared(clip, fault))
        child.inbox.put(None)  # a sentence may wait for it

    # Of several GPUs the engine chooses: a child is told of its own only.
    device = choose_device(config.device if isinstance(config.device, str) else config.device[0])
    if device.type == "cuda":
        torch.cuda.set_device(device)
    folder, adapter = find_checkpoint(config, Path(configure.download_dir), progress)
    data_dir, precision = Path(configure.data_dir), choose_precision(config, device)
    checkpoint = Checkpoint(folder, adapter)
    sampling = choose_sampling(config, checkpoint.generation)
    files = speaker_files(checkpoint, Path(configure.speakers_dir), PatientSpeakerFiles)
    told = identify(checkpoint, config, precision, sampling, files, conversation)
    child.send(told)  # long before it is ready
    progress(f"loading {config.checkpoint} to {device}")
    try:
        runner = load_runner(
            config, checkpoint, data_dir, device, progress, report, conversation, files
        )
        runner.warm_up(progress)
        if device.type == "cuda":  # a CPU takes minutes: only for those that are asked for
            runner.prepare_speakers(range(BARE_SPEAKERS))
    except torch.OutOfMemoryError as error:
        raise ran_out(device) from error
    # More sentences may be spoken at once, but not in real time: the frame loop has them wait.
    slots = capacity(runner.slots, runner.step_seconds)
    child.send(Ready(_describe(device, precision, runner.slots), slots))
    least = LEAST_SECONDS if device.type == "cpu" else LEAST_ON_GPU_SECONDS
    memory = memory_gauge(device)
    FrameLoop(child.inbox, child.send, runner, least_seconds=least, memory=memory).run()


class Loaded(NamedTuple):
    """What a runner is made of."""

    generator: FrameGenerator
    decoder: MimiDecoder
    pipeline: FramePipeline
    prompts: PromptBuilder
    prefix_cache: PrefixCache
    saving: Iterator[None]  # writes the weights to disk, step by step


def load_runner(
    config: CsmConfig,
    checkpoint: Checkpoint,
    data_dir: Path,
    device: torch.device,
    progress: Callable[[str], None] = _LOGGER.debug,
    report: Report | None = None,
    conversation: ConversationConfig | None = None,
    speakers: SpeakerFiles | None = None,
) -> CsmRunner:
    """Load a runner from a checkpoint, as large as there is memory for.

    `report` is told of each voice's clip. What `speakers` said is by default in `data_dir`. Parts
    are compiled where that pays, which takes minutes when they are new to `data_dir`.
    Raises CheckpointError, EngineUnavailable, torch.OutOfMemoryError.
    """
    loaded = load_pipeline(config, checkpoint, data_dir, device, progress)
    codec, codebooks = checkpoint.codec_config, checkpoint.sizes.codebooks
    clips = ClipEncoder(
        codec,
        partial(codec_tensors, checkpoint),
        codebooks,
        data_dir / "clips",
        config.clip_loudness,
    )
    _, _, pipeline, prompts, cache, saving = loaded
    speakers = speakers or speaker_files(checkpoint, data_dir / "speakers")
    return CsmRunner(
        pipeline,
        prompts,
        clips.encode_clip,
        SpeakerPrompts(speakers, prompts),
        config,
        cache,
        saving,
        report,
        Conversations(conversation or ConversationConfig(), cache),
    )


def speaker_files(
    checkpoint: Checkpoint, folder: Path, kind: type[SpeakerFiles] = SpeakerFiles
) -> SpeakerFiles:
    """Return where the checkpoint's speakers have what they said."""
    entries = read_config(checkpoint.codec_config, checkpoint.sizes.codebooks).codebook_size
    return kind(folder, checkpoint.digest, checkpoint.sizes.codebooks, entries)


def load_pipeline(
    config: CsmConfig,
    checkpoint: Checkpoint,
    data_dir: Path,
    device: torch.device,
    progress: Callable[[str], None] = _LOGGER.debug,
) -> Loaded:
    """Load what `load_runner` does, but for what encodes clips; it raises the same."""
    # From Hopper on cuDNN would be chosen, and plan for half a second at each new prompt length.
    torch.backends.cuda.enable_cudnn_sdp(False)
    codec, precision = checkpoint.codec_config, choose_precision(config, device)
    on_host = config.text_table_on_host and device.type == "cuda"
    compiled = chooses_compile(config, device)
    codec_sizes, node_bytes = read_config(codec), graph_node_bytes(device)
    needs = Needs(checkpoint.sizes, codec_sizes, precision, on_host, compiled, node_bytes)
    planned = plan(config, needs, free_bytes(device), str(device))
    backbone, depth = kind_of(precision.backbone), kind_of(precision.depth)
    if slow := why_slow(precision, device):
        _LOGGER.warning("%s", slow)
    cache = checkpoint.cache(data_dir / "weights", precision.compute, backbone, depth)
    if backbone or depth:
        progress(f"loading the weights as {precision}, quantised where none are stored")
    model = checkpoint.load(
        precision.compute, device, backbone=backbone, depth=depth, text_on_host=on_host, cache=cache
    )
    if device.type == "cuda":
        torch.cuda.empty_cache()  # of the chunks that it was loaded in
    sampling = choose_sampling(config, checkpoint.generation)
    generator = FrameGenerator(model, planned.slots, planned.positions, sampling)
    if compiled:
        progress("compiling, which takes minutes the first time")
        generator.compile(compiled_folder(data_dir, str(device)))
        packed = False
    else:
        packed = pack(model)  # no longer what is to be stored
    decoder = load_decoder(codec, codec_tensors(checkpoint), device)
    room = GraphRoom(planned.graphs, lambda: torch.cuda.mem_get_info(device)[0])
    return Loaded(
        generator,
        decoder,
        _pipeline(generator, decoder, room),
        PromptBuilder.of(checkpoint, planned.positions),
        PrefixCache(planned.prompt_cache, needs.position),
        cache.write(model) if cache is not None and not packed else iter(()),
    )


def _pipeline(generator: FrameGenerator, decoder: MimiDecoder, room: GraphRoom) -> FramePipeline:
    if (switch := switch_of("csm")) is None:
        return FramePipeline(generator, decoder, room=room)
    from wyoming_csm.worker.csm.faulty_pipeline import FaultyPipeline

    return FaultyPipeline(generator, decoder, room, switch)


def _describe(device: torch.device, precision: Precision, slots: int) -> str:
    if device.type != "cuda":
        return f"{device}, {precision}"
    return f"{torch.cuda.get_device_name(device)}, {precision}, {slots} slots, {taken(device)}"


def choose_sampling(config: CsmConfig, found: Mapping[str, Any]) -> Sampling:
    """Choose the configuration's over the checkpoint's `generation_config.json`, here `found`.

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
    """Yield the codec's tensors by their names inside it, read only when asked for."""
    for name in checkpoint.names(CODEC):
        yield name.removeprefix(CODEC), partial(checkpoint.tensor, name)
