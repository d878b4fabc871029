"""What quantised weights cost: agreement with bfloat16 on the same codes, by kind and part.

    script/bench agreement [folder of a checkpoint | full]

Teacher-forced: every model hears the same random frames and says what it would have said next.
`full` is the real size with random weights; without an argument an eighth as wide. Logits
of random weights are almost level, which is harder on top-1 than a trained model is.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks import models
from benchmarks.roofline import bytes_per_frame
from tests.tiny_csm import make_tiny_csm
from wyoming_csm.model import teacher_forcing
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.csm import ABSENT, CsmModel
from wyoming_csm.model.quantization.linear import KINDS, QuantKind

FRAMES = 32
_GROUPS = ((0, 1), (1, 8), (8, 16), (16, 32))  # of codebooks, from … to before
_DEPTH = {
    "num_codebooks": 32,
    "backbone_hidden_size": 256,
    "vocab_size": 2051,
    "hidden_size": 128,
    "intermediate_size": 1024,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "initializer_range": 128**-0.5,
}


def teacher_forced(model: CsmModel, frames: int = FRAMES) -> Tensor:
    """Logits [codebooks, frames, codebook_size] of the frames that follow random ones."""
    sizes = model.sizes
    generator = torch.Generator().manual_seed(0)
    shape = (frames + 1, sizes.codebooks)
    codes = torch.randint(sizes.codebook_size, shape, generator=generator)
    return teacher_forcing.teacher_forced(model, F.pad(codes[:1], (0, 1), value=ABSENT), codes[1:])


def compare(found: Tensor, exact: Tensor) -> dict[str, float]:
    """Top-1 agreement, KL(exact ‖ found) in nats and the relative error of logits [..., size]."""
    log_p, log_q = exact.log_softmax(-1), found.log_softmax(-1)
    return {
        "top1": (found.argmax(-1) == exact.argmax(-1)).float().mean().item(),
        "kl": (log_p.exp() * (log_p - log_q)).sum(-1).mean().item(),
        "error": ((found - exact).norm() / exact.norm()).item(),
    }


def measure(checkpoint: Checkpoint, device: torch.device) -> dict[str, dict[str, float]]:
    """By what is quantised, the table's numbers."""
    plain = checkpoint.load(torch.bfloat16, device)
    exact, whole = teacher_forced(plain), bytes_per_frame(plain)
    del plain
    found: dict[str, dict[str, float]] = {}
    for kind in KINDS:
        parts: tuple[tuple[str, QuantKind | None, QuantKind | None], ...] = (
            ("backbone", kind, None),
            ("depth", None, kind),
            ("both", kind, kind),
        )
        for part, backbone, depth in parts:
            model = checkpoint.load(torch.bfloat16, device, backbone=backbone, depth=depth)
            logits = teacher_forced(model)
            numbers = {"bytes": bytes_per_frame(model) / whole}
            del model
            for start, end in _GROUPS:
                if start < len(exact):
                    group = compare(logits[start:end], exact[start:end])
                    last = min(end, len(exact)) - 1
                    name = f"c{start}" if last == start else f"c{start}-{last}"
                    numbers |= {f"{name} {key}": value for key, value in group.items()}
            found[f"{kind} {part}"] = numbers
    return found


def main() -> None:
    """The table, then one line of JSON."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "checkpoint"
        wanted = sys.argv[1] if len(sys.argv) > 1 else ""
        if wanted == "full":
            models.make("full", folder)
        elif wanted:
            folder = Path(wanted)
        else:
            make_tiny_csm(
                folder,
                audio_vocabulary=2051,
                codebook_size=2048,
                hidden_size=256,
                intermediate_size=1024,
                num_hidden_layers=16,
                num_attention_heads=4,
                num_key_value_heads=1,
                initializer_range=256**-0.5,
                depth_decoder_config=_DEPTH,
            )
        found = measure(Checkpoint(folder), device)
    columns = list(next(iter(found.values())))
    print("against bfloat16 |", " | ".join(columns))
    for name, numbers in found.items():
        print(f"{name:16} |", " | ".join(f"{numbers[c]:{len(c)}.3f}" for c in columns))
    print(json.dumps({"device": str(device), "frames": FRAMES, "agreement": found}))


if __name__ == "__main__":
    main()
