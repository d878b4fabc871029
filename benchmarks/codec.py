"""The encoder of clips against transformers': the same codes, in what time and memory.

    script/bench codec [--clips 200] [--full 20] [--rounds 3]

Every clip goes through a codec of real depth and an eighth of the width, every so many through one
of the full size too, as a whole and in windows with caches; weights are random, codebooks such
that all entries are used (`spread_codebooks`). Codes may differ where float64 distances tie. Then
60 s in processes of their own, load included, one after the other in every round; the
full size. Prints tables, then one line of JSON; exits 1 if codes differ otherwise or ties are
more than one frame in 500. Another transformers: PYTHONPATH=FOLDER of `pip install --target`.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import transformers
from safetensors.torch import save_file

from benchmarks import clips, timing
from benchmarks.codec_once import CODEBOOKS, WINDOW
from benchmarks.fixtures.mimi_codes import TIE, Judge, encode_in_windows, encode_whole
from benchmarks.fixtures.random_mimi import fill_codec, spread_codebooks, tiny_mimi_config
from wyoming_csm.audio import Samples
from wyoming_csm.model.mimi.weights import load_encoder

_SMALL = {
    "num_filters": 8,
    "hidden_size": 160,
    "codebook_dim": 128,
    "vector_quantization_hidden_dimension": 128,
    "num_quantizers": CODEBOOKS,
    "upsample_groups": 160,
    "num_hidden_layers": 8,
    "num_attention_heads": 5,
    "num_key_value_heads": 5,
    "intermediate_size": 640,
    "head_dim": 32,
}
Found = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--full", type=int, default=20, help="clips for the full size as well")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found: Found = timing.describe(torch.device("cpu"))
    found["transformers"] = transformers.__version__
    recordings = clips.clips()[: options.clips]
    small = _codec(transformers.MimiModel(tiny_mimi_config(**_SMALL)))
    found["small"] = _compare(small, recordings, "an eighth of the width")
    every = max(1, len(recordings) // max(1, options.full))
    with TemporaryDirectory() as folder:
        full = _codec(transformers.MimiModel(transformers.MimiConfig()))
        chosen = recordings[::every] if options.full else []
        found["full"] = _compare(full, chosen, "full size")
        if options.rounds:
            tensors = {name: tensor.contiguous() for name, tensor in full.state_dict().items()}
            save_file(tensors, Path(folder) / "codec.safetensors")
            (Path(folder) / "config.json").write_text(json.dumps(full.config.to_dict()))
            del tensors, full
            found |= _race(Path(folder), options.rounds)
    print(json.dumps(found))
    parts = (found["small"], found["full"])
    ties, frames = (sum(part[key] for part in parts) for key in ("ties", "frames"))
    sys.exit(any(part["wrong"] for part in parts) or ties * 500 > frames)


def _codec(model: Any) -> Any:
    model.eval()
    fill_codec(model, seed=1)
    spread_codebooks(model, seed=1)
    return model


def _compare(model: Any, recordings: Sequence[tuple[str, Samples]], size: str) -> Found:
    """Codes of each recording, ours against both of transformers' ways."""
    weights = [(name, tensor.clone) for name, tensor in model.state_dict().items()]
    encoder = load_encoder(model.config.to_dict(), weights, CODEBOOKS)
    judge = Judge(model)
    frames, ties, used = 0, 0, torch.zeros(CODEBOOKS, model.config.codebook_size)
    wrong: list[str] = []
    widest = 0.0
    for name, recording in recordings:
        samples = torch.from_numpy(recording)
        codes = encoder.encode(samples)
        ways = {"whole": encode_whole(model, samples, CODEBOOKS)}
        if len(samples) > WINDOW // 5:
            # its last frame is filled up with silence, where the whole one's convolutions are
            complete = len(samples) // clips.FRAME
            ways["windows"] = encode_in_windows(model, samples, CODEBOOKS, WINDOW // 5)[:complete]
        for way, expected in ways.items():
            gaps = judge.gaps(samples, codes[: len(expected)], expected)
            frames += len(expected)
            ties += len(gaps)
            widest = max(widest, *gaps, 0.0)
            wrong += [f"{name}, {way}: {gap:.1e}" for gap in gaps if gap >= TIE]
        used.scatter_(1, codes.T, 1.0)
    part = {
        "clips": len(recordings),
        "frames": frames,
        "ties": ties,
        "widest_tie": widest,
        "wrong": wrong,
        "entries_used": used.mean().item(),
    }
    print(f"{size}: " + ", ".join(f"{key} {value}" for key, value in part.items()), flush=True)
    return part


def _race(folder: Path, rounds: int) -> Found:
    """60 s of speech, from nothing in memory to codes."""
    torch.save(torch.from_numpy(clips.clips()[140][1]), folder / "samples.pt")
    results: dict[str, list[Found]] = {"ours": [], "theirs": []}
    for _ in range(rounds):
        for who, runs in results.items():
            runs.append(_run(who, folder))
    found: Found = {"rounds": rounds}
    print(f"{'60 s of speech':16}{'load s':>9}{'encode s':>10}{'CPU s':>8}{'peak MB':>9}")
    for who, runs in results.items():
        best = {key: sorted(run[key] for run in runs)[rounds // 2] for key in runs[0]}
        print(
            f"{who:16}{best['load_s']:9.2f}{best['encode_s']:10.2f}{best['cpu_s']:8.2f}"
            f"{best['peak_mb']:9.0f}"
        )
        found[who] = best
    for key in ("whole_s", "encode_s", "cpu_s"):
        pair = [[run[key] for run in results[who]] for who in ("theirs", "ours")]
        found[f"times_quicker_{key}"] = timing.ratio(*pair)
        print(f"times quicker, {key}: {found[f'times_quicker_{key}']:.2f}")
    return found


def _run(who: str, folder: Path) -> Found:
    command = [sys.executable, "-m", "benchmarks.codec_once", who, str(folder)]
    # threads that wait actively would be counted as work
    quiet = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | quiet
    )
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
