"""What the server is: the engine's voices as Wyoming's Info, serialised once and kept."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from wyoming.info import Attribution, Info, TtsProgram, TtsVoice, TtsVoiceSpeaker

from wyoming_csm import __version__
from wyoming_csm.config import Config
from wyoming_csm.engines.base import Engine
from wyoming_csm.server.voice_table import in_order
from wyoming_csm.server.wire import encode
from wyoming_csm.voices import Voice

PROGRAM = "wyoming-csm"
_OWN = ("wyoming-csm", "https://github.com/OHF-Voice/wyoming")
_ATTRIBUTIONS = {
    "csm": ("Sesame", "https://huggingface.co/sesame/csm-1b"),
    "coqui": ("Coqui TTS", "https://github.com/idiap/coqui-ai-TTS"),
}


def make_info(config: Config, engine: Engine) -> Info:
    """One program, its voices with the default first; descriptions say who can speak now."""
    phase = engine.status.phase.value
    voices = in_order(engine.voices, config)
    program = TtsProgram(
        name=PROGRAM,
        attribution=Attribution(*_OWN),
        installed=True,
        description=f"Text to speech. Now: {engine.status.detail or phase}",
        version=__version__,
        voices=[*map(_voice, voices, descriptions(voices))],
        supports_synthesize_streaming=True,
    )
    return Info(tts=[program])


def descriptions(voices: Sequence[Voice]) -> list[str]:
    """Of each, so that sorted by them the first voice of a language comes first, and CSM's bare
    speakers come last.

    Home Assistant sorts the voices of a language by description, by code point, and a new
    assistant takes the first. Blanks in front sort before all else, and a page shows none of them.
    """
    firsts: dict[str, Voice] = {}
    groups: dict[str, set[int]] = defaultdict(set)
    for voice in voices:
        firsts.setdefault(voice.language, voice)
        groups[voice.language].add(_group(voice, firsts))
    found = []
    for voice in voices:
        behind = sum(group > _group(voice, firsts) for group in groups[voice.language])
        found.append(" " * behind + (voice.description.lstrip() or voice.name))
    return found


def _group(voice: Voice, firsts: Mapping[str, Voice]) -> int:
    """0: the first of its language, 1, 2: without a recording it sounds different each time."""
    if firsts[voice.language] is voice:
        return 0
    return 2 if voice.engine == "csm" and not voice.clips else 1


def _voice(voice: Voice, description: str) -> TtsVoice:
    return TtsVoice(
        name=voice.name,
        attribution=Attribution(*_ATTRIBUTIONS.get(voice.engine, _OWN)),
        installed=True,
        description=description,
        version=__version__,
        languages=[voice.language],
        speakers=[TtsVoiceSpeaker(name) for name in voice.speakers] or None,
    )


class InfoBytes:
    """The `info` event as it goes out; made again only after the engine changed."""

    def __init__(self, config: Config, engine: Engine) -> None:
        self._config = config
        self._engine = engine
        self._bytes: bytes | None = None
        engine.subscribe(self._changed)

    def get(self) -> bytes:
        """Serialised at the first call after a change: many changes at once cost one."""
        if self._bytes is None:
            self._bytes = encode(make_info(self._config, self._engine).event())
        return self._bytes

    def _changed(self) -> None:
        self._bytes = None
