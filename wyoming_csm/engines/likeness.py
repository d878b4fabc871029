"""What a voice sounds like, as far as files tell: another recording, or another sentence that a
speaker of CSM said first, is another voice, whatever its name is."""

import asyncio
import hashlib
import json
from pathlib import Path

from wyoming_csm.engines.base import Engine
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import Identified


def made_from(identity: Identified, voice: Voice) -> list[object] | None:
    """Tell a voice from others by its clips, by what CSM's speaker said once, which takes reading a
    file, or by its name; None: there is none yet."""
    if voice.clips:
        return [voice.speaker, *((clip.content, clip.text) for clip in voice.clips)]
    if identity.speakers:
        try:
            sounds_like = Path(identity.speakers[int(voice.speaker or 0)]).read_bytes()
        except (OSError, IndexError, ValueError):
            return None
        return [voice.speaker, hashlib.sha256(sounds_like).hexdigest()]
    return [voice.speaker, voice.name]


async def sounds_like(engine: Engine, voice: Voice) -> str:
    """Return `engine/voice`, and by what it is made from a mark: two that have all in common are
    equally loud."""
    name, identity = f"{engine.title}/{voice.name}", engine.identity or Identified("")
    if voice.clips:
        found = made_from(identity, voice)
    elif identity.speakers:
        found = await asyncio.to_thread(made_from, identity, voice)
    else:
        return name
    if found is None:
        return name
    return f"{name} {hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16]}"
