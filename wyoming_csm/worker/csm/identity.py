"""What the sound of a CSM depends on, beside the text and the voice: by it sentences are stored."""

import dataclasses
import hashlib
import json

from wyoming_csm.config import ConversationConfig, CsmConfig
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.sampling import Sampling
from wyoming_csm.voices import BARE_SPEAKERS
from wyoming_csm.worker.csm.device import Precision
from wyoming_csm.worker.csm.speaker_files import SpeakerFiles
from wyoming_csm.worker.protocol import Identified

_RECIPE = 1  # another number when the same words should sound otherwise


def identify(
    checkpoint: Checkpoint,
    config: CsmConfig,
    precision: Precision,
    sampling: Sampling,
    files: SpeakerFiles,
    conversation: ConversationConfig,
) -> Identified:
    """Tell a checkpoint with these settings from others, wherever it is, in milliseconds.

    In a conversation none is like another: a sentence goes on from what was said before, and one
    that was not spoken here could not be gone on from. Raises OSError.
    """
    speakers = tuple(str(files.path(number).absolute()) for number in range(BARE_SPEAKERS))
    if conversation.turns:
        return Identified("", speakers)
    made_from = {
        "recipe": _RECIPE,
        "checkpoint": checkpoint.digest,
        "precision": str(precision),
        "sampling": dataclasses.asdict(sampling),
        "seed": config.seed,
        "clip_loudness": config.clip_loudness,
        "context_seconds": config.context_seconds,
    }
    key = json.dumps(made_from, sort_keys=True).encode()
    return Identified(hashlib.sha256(key).hexdigest()[:32], speakers)
