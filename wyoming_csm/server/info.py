"""What the server is: the engine's voices as Wyoming's Info, serialised once and kept."""

from wyoming.info import Attribution, Info, TtsProgram, TtsVoice, TtsVoiceSpeaker

from wyoming_csm import __version__
from wyoming_csm.config import Config
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.server.listing import Listed, listed
from wyoming_csm.server.voice_table import in_order
from wyoming_csm.server.wire import encode
from wyoming_csm.voices import Voice

PROGRAM = "wyoming-csm"
_OWN = ("wyoming-csm", "https://github.com/OHF-Voice/wyoming")
_ATTRIBUTIONS = {
    "csm": ("Sesame", "https://huggingface.co/sesame/csm-1b"),
    "coqui": ("Coqui TTS", "https://github.com/idiap/coqui-ai-TTS"),
}


def make_info(config: Config, engine: Fallback) -> Info:
    """One program, its voices with the default first; descriptions say who can speak now."""
    phase = engine.status.phase.value
    voices = in_order(engine.voices, config)
    program = TtsProgram(
        name=PROGRAM,
        attribution=Attribution(*_OWN),
        installed=True,
        description=f"Text to speech. Now: {engine.status.detail or phase}",
        version=__version__,
        voices=[*map(_voice, voices, listed(voices, config.voice))],
        supports_synthesize_streaming=True,
    )
    return Info(tts=[program])


def _voice(voice: Voice, place: Listed) -> TtsVoice:
    return TtsVoice(
        name=voice.name,
        attribution=Attribution(*_ATTRIBUTIONS.get(voice.engine, _OWN)),
        installed=True,
        description=place.description,
        version=__version__,
        languages=place.languages,
        speakers=[TtsVoiceSpeaker(name) for name in voice.speakers] or None,
    )


class InfoBytes:
    """The `info` event as it goes out; made again only after the engine changed."""

    def __init__(self, config: Config, engine: Fallback) -> None:
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
