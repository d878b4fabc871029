"""What the server is: the engine's voices as Wyoming's Info, listed so that the right one is first.

Home Assistant makes a list for each tag that a voice names, sorts it by description, by code point,
and a new assistant takes the first. From a language and a country it chooses the tag of the country
before the one without: in the United States `en-US` before `en`.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import msgspec
from wyoming.info import Attribution, Info, TtsProgram, TtsVoice, TtsVoiceSpeaker

from wyoming_csm import __version__
from wyoming_csm.config import Config
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.lexicons import Lexicons
from wyoming_csm.server.wire import encode
from wyoming_csm.voice_choice import default_first, primary_of, standard_tag
from wyoming_csm.voices import Voice

PROGRAM = "wyoming-csm"
_OWN = ("wyoming-csm", "https://github.com/OHF-Voice/wyoming")
_ATTRIBUTIONS = {
    "csm": ("Sesame", "https://huggingface.co/sesame/csm-1b"),
    "coqui": ("Coqui TTS", "https://github.com/idiap/coqui-ai-TTS"),
}


# Settings in which replicas may differ, since their machines do, or that nobody hears.
_OF_THE_MACHINE = (
    *("checkpoint", "revision", "token_file", "device", "dtype", "depth_dtype", "slots"),
    *("context_positions", "gpu_memory_share", "prompt_cache_mb", "text_table_on_host"),
    *("compile", "idle_unload", "while_waking"),
)


class InfoBytes:
    """The `info` event as it goes out, made again only when there is something else to say."""

    def __init__(self, config: Config, engine: Fallback, lexicons: Lexicons) -> None:
        self._config, self._engine, self._lexicons = config, engine, lexicons
        self._made_from: tuple[object, ...] | None = None
        self._bytes = b""

    def get(self) -> bytes:
        """Return the event's bytes: making them takes 3 ms for 10 voices and 16 for 300."""
        engine = self._engine
        now = (engine.voices, engine.sounds, engine.status, self._lexicons.content)
        if now != self._made_from:
            info = make_info(self._config, engine, self._lexicons.content)
            self._bytes = encode(info.event())
            self._made_from = now
        return self._bytes


def make_info(config: Config, engine: Fallback, words: str = "") -> Info:
    """Describe one program, its voices with the default first, and which engine can speak now.

    `words` is the mark of the lexicons. It and one of the settings that are heard follow the
    version, as 0.1.0+words.ab12cd34.settings.ef567890, where there are such: `compare` reads them.
    So does a mark of its sound the version of a speaker without a clip.
    """
    marks = {"words": words, "settings": _heard(config)}
    told = ".".join(f"{name}.{mark}" for name, mark in marks.items() if mark)
    voices = default_first(engine.voices, config)
    program = TtsProgram(
        name=PROGRAM,
        attribution=Attribution(*_OWN),
        installed=True,
        description=f"Text to speech. Now: {engine.status.detail or engine.status.phase.value}",
        version="+".join(filter(None, (__version__, told))),
        voices=listed(voices, config.voice),
        supports_synthesize_streaming=True,
    )
    for voice in program.voices:
        if mark := engine.sounds.get(voice.name):
            voice.version = f"{voice.version}+sound.{mark}"
    return Info(tts=[program])


def _heard(config: Config) -> str:
    """Return a mark of the settings that are heard; "" if all are as by default."""

    def heard(config: Config) -> bytes:
        csm = msgspec.to_builtins(config.csm)
        return msgspec.json.encode(
            [
                {name: value for name, value in csm.items() if name not in _OF_THE_MACHINE},
                *(config.conversation, config.system, config.reading, config.sound),
                {name: preset.lexicon for name, preset in config.presets.items() if preset.lexicon},
            ],
            order="sorted",
        )

    own = heard(config)
    return "" if own == heard(Config()) else hashlib.sha256(own).hexdigest()[:8]


def _voice(voice: Voice, languages: list[str], description: str) -> TtsVoice:
    return TtsVoice(
        name=voice.name,
        attribution=Attribution(*_ATTRIBUTIONS.get(voice.engine, _OWN)),
        installed=True,
        description=description,
        version="+".join(filter(None, (__version__, voice.content))),
        languages=languages,
        speakers=[TtsVoiceSpeaker(name) for name in voice.speakers] or None,
    )


def listed(voices: Sequence[Voice], configured: str | None) -> list[TtsVoice]:
    """List `voices`, the default one first, so that it comes first in Home Assistant, too.

    The first of each list comes first when sorted, and CSM's bare speakers, which sound different
    each time, come last. Blanks before a description do it: they sort before all else, and a page
    does not show them.
    """
    languages = _languages(voices, configured)
    lists: dict[str, list[int]] = defaultdict(list)
    for number, tags in enumerate(languages):
        for tag in tags:
            lists[tag].append(number)
    firsts = {members[0] for members in lists.values() if len(members) > 1}
    ranks = [
        (0, number) if number in firsts else (2, 0) if _is_bare(voice) else (1, 0)
        for number, voice in enumerate(voices)
    ]
    taken: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for tags, rank in zip(languages, ranks, strict=True):
        taken[primary_of(tags[0])].add(rank)
    found = []
    for voice, tags, rank in zip(voices, languages, ranks, strict=True):
        behind = sum(other > rank for other in taken[primary_of(tags[0])])
        description = " " * behind + (voice.description.lstrip() or voice.name)
        found.append(_voice(voice, tags, description))
    return found


def _languages(voices: Sequence[Voice], configured: str | None) -> list[list[str]]:
    """Return the tags under which each voice is listed: its own, and the one without a region,
    which Home Assistant is given by who writes `language: de` into a script. A voice without a
    region, and the configured voice, are listed under all tags of the language."""
    tags = [standard_tag(voice.language) for voice in voices]
    there: dict[str, dict[str, None]] = defaultdict(dict)  # in the order of the voices
    for tag in tags:
        there[primary_of(tag)] |= {tag: None, primary_of(tag): None}
    found = []
    for voice, tag in zip(voices, tags, strict=True):
        primary = primary_of(tag)
        everywhere = tag == primary or voice.name == configured
        others = [o for o in there[primary] if o != tag and (everywhere or o == primary)]
        found.append([tag, *others])
    return found


def _is_bare(voice: Voice) -> bool:
    return voice.engine == "csm" and not voice.clips
