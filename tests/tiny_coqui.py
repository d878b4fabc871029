"""A small random VITS, as coqui-tts stores one; made in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def make_tiny_coqui(
    folder: Path,
    *,
    speakers: Sequence[str] = (),
    phonemes: bool = False,
    cleaner: str = "basic_cleaners",
) -> Path:
    """Write `folder`/model.pth, about 0.5 MB, with its config.json beside it; return its path.

    It speaks, for every letter, 5 frames of noise (58 ms) at 22 050 Hz.
    """
    options = json.dumps({"speakers": speakers, "phonemes": phonemes, "cleaner": cleaner})
    subprocess.run([sys.executable, "-m", "tests.tiny_coqui", str(folder), options], check=True)
    return folder / "model.pth"


def make_here(
    folder: Path,
    *,
    speakers: Sequence[str] = (),
    phonemes: bool = False,
    cleaner: str = "basic_cleaners",
) -> None:
    """Make it in this process, which becomes one like the child's; not for the tests' own."""
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
        use_sdp=False,  # the other predictor: durations without noise
        init_discriminator=False,
        use_speaker_embedding=bool(speakers),
        speaker_embedding_channels=4,
    )
    if speakers:
        args.speakers_file = str(folder / "speaker_ids.json")
        names = {name: number for number, name in enumerate(speakers)}
        Path(args.speakers_file).write_text(json.dumps(names), encoding="utf-8")
    config = VitsConfig(
        model_args=args,
        use_phonemes=phonemes,
        phonemizer="espeak" if phonemes else None,
        phoneme_language="en-us" if phonemes else None,
        text_cleaner=cleaner,
        use_speaker_embedding=bool(speakers),
    )
    model = Vits(config)
    with torch.no_grad():
        model.duration_predictor.proj.bias.fill_(1.5)  # exp(1.5) rounded up: 5 frames a letter
    torch.save({"model": model.state_dict()}, folder / "model.pth")
    model.config.save_json(folder / "config.json")


if __name__ == "__main__":
    make_here(Path(sys.argv[1]), **json.loads(sys.argv[2]))
