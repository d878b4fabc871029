"""What the sound of a CSM depends on, beside the text and the voice: by it sentences are stored."""

import dataclasses
import hashlib
import json

from wyoming_csm.config import CsmConfig
from wyoming_csm.model.checkpoint.load import Checkpoint
from wyoming_csm.model.sampling import Sampling
from wyoming_csm.worker.csm.device import Precision
from wyoming_csm.worker.protocol import Identified

_RECIPE = 1  # another number when the same words should sound otherwise


def identify(
    checkpoint: Checkpoint, config: CsmConfig, precision: Precision, sampling: Sampling
) -> Identified:
    """Tell a checkpoint with these settings from others, wherever it is, in milliseconds.

    Raises OSError.
    """
    digest = checkpoint.digest()
    made_from = {
        "recipe": _RECIPE,
        "checkpoint": digest,
        "precision": str(precision),
        "sampling": dataclasses.asdict(sampling),
        "seed": config.seed,
        "clip_loudness": config.clip_loudness,
        "context_seconds": config.context_seconds,
    }
    key = json.dumps(made_from, sort_keys=True).encode()
    return Identified(hashlib.sha256(key).hexdigest()[:32], digest)
