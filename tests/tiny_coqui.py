"""Small random VITS, as coqui-tts stores them; made in a process of their own, once."""

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

TWO = {"speakers": ["ann", "bob"]}
# What tests outside of their own processes speak with.
KINDS: dict[str, dict[str, Any]] = {
    "letters": TWO,
    "phonemes": {**TWO, "phonemes": True, "cleaner": "phoneme_cleaners"},
}


def make_tiny_coqui(folder: Path, kind: str = "letters") -> Path:
    """Write `folder`/model.pth, about 0.5 MB, with its config.json beside it; return its path.

    It speaks, for every letter or phoneme, 5 frames of noise (58 ms) at 22 050 Hz.
    """
    made_in, kinds = _made()
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in kinds[kind].items():
        if name == "config.json":  # it names the speakers' file
            content = content.replace(f"{made_in}/{kind}".encode(), str(folder).encode())
        (folder / name).write_bytes(content)
    return folder / "model.pth"


@cache
def _made() -> tuple[str, dict[str, dict[str, bytes]]]:
    """Return the folder that all were made in, at once: most of it is imports; and their files."""
    with TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "tests.tiny_coqui", folder], check=True)
        return folder, {
            kind: {path.name: path.read_bytes() for path in Path(folder, kind).glob("*.*")}
            for kind in KINDS
        }


def make_here(
    folder: Path,
    *,
    speakers: Sequence[str] = (),
    languages: Sequence[str] = (),
    phonemes: bool = False,
    cleaner: str = "basic_cleaners",
    vectors: bool = False,
    stochastic: bool = False,
) -> None:
    """Make it in this process, which becomes one like the child's; not for the tests' own.

    `vectors`: speakers are vectors in a file; `stochastic`: the predictor of durations with noise.
    """
    from wyoming_csm.worker.coqui.setup import prepare

    folder.mkdir(parents=True, exist_ok=True)
    prepare(download_dir=folder, agreed=False, debug=False)
    import torch
    from TTS.tts.configs.vits_config import VitsArgs, VitsConfig
    from TTS.tts.models.vits import Vits

    torch.manual_seed(0)
    torch.set_num_threads(1)
    args = VitsArgs(
        hidden_channels=8,
        hidden_channels_ffn_text_encoder=16,
        num_layers_text_encoder=1,
        num_layers_flow=1,
        num_layers_posterior_encoder=1,
        upsample_initial_channel_decoder=16,
        use_sdp=stochastic,
        init_discriminator=False,
        use_speaker_embedding=bool(speakers) and not vectors,
        speaker_embedding_channels=4,
        use_language_embedding=bool(languages),
        embedded_language_dim=4,
    )
    if languages:
        args.language_ids_file = str(folder / "language_ids.json")
        numbers = {name: number for number, name in enumerate(languages)}
        Path(args.language_ids_file).write_text(json.dumps(numbers), encoding="utf-8")
    if vectors:
        args.use_d_vector_file, args.d_vector_dim = True, 4
        args.d_vector_file = [str(folder / "speakers.json")]
        clips = {
            f"{name}.wav": {"name": name, "embedding": [number, 1, -number, 0.5]}
            for number, name in enumerate(speakers)
        }
        Path(args.d_vector_file[0]).write_text(json.dumps(clips), encoding="utf-8")
    elif speakers:
        args.speakers_file = str(folder / "speaker_ids.json")
        names = {name: number for number, name in enumerate(speakers)}
        Path(args.speakers_file).write_text(json.dumps(names), encoding="utf-8")
    config = VitsConfig(
        model_args=args,
        use_phonemes=phonemes,
        phonemizer="espeak" if phonemes else None,
        phoneme_language="en-us" if phonemes else None,
        text_cleaner=cleaner,
        use_speaker_embedding=bool(speakers) and not vectors,
    )
    model = Vits.init_from_config(config)
    with torch.no_grad():
        if not stochastic:
            model.duration_predictor.proj.bias.fill_(1.5)  # exp(1.5) rounded up: 5 frames a letter
    torch.save({"model": model.state_dict()}, folder / "model.pth")
    model.config.save_json(folder / "config.json")


if __name__ == "__main__":
    for kind, options in KINDS.items():
        make_here(Path(sys.argv[1]) / kind, **options)
