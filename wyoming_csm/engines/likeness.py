"""What a voice sounds like, as far as files tell: another recording, or another sentence that a
speaker of CSM said first, is another voice, whatever its name is."""

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from wyoming_csm.engines.base import Engine
from wyoming_csm.engines.looks import Looks
from wyoming_csm.errors import ABSENT
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import Identified


def made_from(identity: Identified, voice: Voice) -> list[object] | None:
    """Tell a voice from others by its clips, by what CSM's speaker said once, which takes reading a
    file, or by its name; None: there is none yet. Raises OSError if the disk cannot tell."""
    if voice.clips:
        return [voice.speaker, *((clip.content, clip.text) for clip in voice.clips)]
    if identity.speakers:
        try:
            sounds_like = Path(identity.speakers[int(voice.speaker or 0)]).read_bytes()
        except (*ABSENT, IndexError, ValueError):
            return None
        return [voice.speaker, hashlib.sha256(sounds_like).hexdigest()]
    return [voice.speaker, voice.name]


def folder_of(identity: Identified, voice: Voice) -> Path | None:
    """Return the folder whose disk tells what a voice is made from; None: no disk is asked."""
    if voice.clips:
        return Path(voice.clips[0].path).parent.parent
    return Path(identity.speakers[0]).parent if identity.speakers else None


async def sounds_like(engine: Engine, voice: Voice, looks: Looks) -> str:
    """Return `engine/voice`, and by what it is made from a mark: two that have all in common are
    equally loud."""
    name, identity = f"{engine.title}/{voice.name}", engine.identity or Identified("")
    if not voice.clips and not identity.speakers:
        return name
    found = await _made_from(identity, voice, looks)
    return name if found is None else f"{name} {_mark(found, 16)}"


async def sounds_of(engines: Sequence[Engine], looks: Looks) -> dict[str, str]:
    """Return, by name, a mark of each speaker without a clip that has said something once: alike on
    machines on which it sounds alike."""
    marks: dict[str, str] = {}
    for engine in engines:
        if engine.identity is not None and engine.identity.speakers:
            for voice in engine.voices:
                if not voice.clips and not voice.fault:
                    found = await _made_from(engine.identity, voice, looks)
                    marks |= {} if found is None else {voice.name: _mark(found, 8)}
    return marks


async def _made_from(identity: Identified, voice: Voice, looks: Looks) -> list[object] | None:
    """Tell a voice from others as it is now, or was when the disk answered last."""
    if voice.clips or not identity.speakers:
        return made_from(identity, voice)
    folder, key = Path(identity.speakers[0]).parent, (identity.speakers, voice.speaker)
    return await looks.last(folder, key, partial(made_from, identity, voice))


def _mark(found: list[object], digits: int) -> str:
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()[:digits]
