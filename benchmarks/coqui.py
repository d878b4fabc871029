"""Measures Coqui's default kind of model through its child: a full-size VITS, weights at random.

The weights' values do not change the speed. With `--checkpoint MODEL.pth --voice VOICE.onnx`, the
same weights for Coqui and for Piper, it also compares this server with wyoming-piper, whose command
is on PATH or named by WYOMING_PIPER. Prints a table, then one line of JSON.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

from benchmarks.coqui_and_piper import PIPER, compare, piper_command, sound_apart
from wyoming_csm import __version__
from wyoming_csm.audio import BYTES_PER_SECOND
from wyoming_csm.config import Config, CoquiConfig
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.child_engine import ChildEngine
from wyoming_csm.engines.coqui import coqui_engine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.text.pieces import Speak

SENTENCES = {
    "short": "It is ten past nine.",
    "long": "The front door is open, and the light in the kitchen is still on, so I turn them off.",
}
ROUNDS = 5


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="a VITS of Coqui's, config.json beside it")
    parser.add_argument("--voice", type=Path, help="Piper's voice of the same weights")
    parser.add_argument("--rounds", type=int, default=3, help="each of 20 sentences so often")
    options = parser.parse_args()
    found = await of_random_weights()
    if options.checkpoint and options.voice and piper_command():
        found["onnxruntime_from_torch_db"] = await asyncio.to_thread(
            sound_apart, options.checkpoint
        )
        with tempfile.TemporaryDirectory() as folder:
            found |= await compare(
                options.checkpoint.absolute(), options.voice, Path(folder), options.rounds
            )
    else:
        reason = "no --checkpoint and --voice" if piper_command() else f"no command: {PIPER}"
        print(f"Not compared with wyoming-piper: {reason}")
    for name, value in found.items():
        print(f"{name:24} {value!s:>8}")
    print(json.dumps(found))


async def of_random_weights() -> dict[str, object]:
    """Measure the engine."""
    with tempfile.TemporaryDirectory() as folder:
        make = [sys.executable, "-m", "benchmarks.coqui", "--make", folder]
        await asyncio.to_thread(subprocess.run, make, check=True)
        config = Config(
            coqui=CoquiConfig(checkpoint=f"{folder}/model.pth", device="cpu"), data_dir=folder
        )
        engine = coqui_engine(config)
        await engine.start()
        await engine.wait_loaded()
        assert engine.status.phase is Phase.READY, engine.status
        found: dict[str, object] = {"version": __version__, "cores": os.cpu_count()}
        for name, text in SENTENCES.items():
            await speak(engine, text)  # the first of its length is slower
            runs = [await speak(engine, text) for _ in range(ROUNDS)]
            found[f"{name}_seconds_of_sound"] = round(runs[0][2], 2)
            found[f"{name}_ttfa_ms"] = round(statistics.median(run[0] for run in runs) * 1000)
            rtf = [run[1] / run[2] for run in runs]
            found[f"{name}_rtf"] = round(statistics.median(rtf), 2)
            found[f"{name}_rtf_worst"] = round(max(rtf), 2)
        await engine.stop()
    return found


async def speak(engine: ChildEngine, text: str) -> tuple[float, float, float]:
    """Seconds to the first sound, seconds in all, seconds of sound."""
    reply = Fallback([engine]).start_reply(engine.voices[0])
    began, first, size = time.perf_counter(), 0.0, 0
    async with aclosing(reply.speak(Speak(text))) as chunks:
        async for pcm in chunks:
            first = first or time.perf_counter() - began
            size += len(pcm)
    await reply.aclose()
    return first, time.perf_counter() - began, size / BYTES_PER_SECOND


def make_vits(folder: Path) -> None:
    """VITS at the sizes of coqui's defaults, which ljspeech's model has: 5 frames a letter."""
    from wyoming_csm.worker.coqui.setup import prepare

    prepare(download_dir=folder, agreed=False, debug=False)
    import torch
    from TTS.tts.configs.vits_config import VitsArgs, VitsConfig
    from TTS.tts.models.vits import Vits

    torch.manual_seed(0)
    args = VitsArgs(use_sdp=False, init_discriminator=False)
    model = Vits(VitsConfig(model_args=args, use_phonemes=False, text_cleaner="basic_cleaners"))
    with torch.no_grad():
        model.duration_predictor.proj.bias.fill_(1.5)  # exp(1.5), rounded up
    torch.save({"model": model.state_dict()}, folder / "model.pth")
    model.config.save_json(folder / "config.json")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make_vits(Path(sys.argv[2]))
    else:
        asyncio.run(main())
