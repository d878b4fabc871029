"""The list that Home Assistant makes of the voices: which comes first, which last."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wyoming.info import Info

from tests.fakes import FakeEngine
from tests.voice_folders import make
from wyoming_csm.config import Config
from wyoming_csm.engines.base import Phase, Status
from wyoming_csm.engines.csm import csm_engines
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.system import system_voices
from wyoming_csm.server.info import listed, make_info
from wyoming_csm.voice_book import VoiceBook
from wyoming_csm.voice_choice import (
    VoiceRequest,
    choose_voice,
    default_first,
    primary_of,
    standard_tag,
)
from wyoming_csm.voices import Clip, Voice

SPEAKERS = [f"speaker_{number}" for number in range(4)]
# As "English (UK), SVOX Pico", "English (US), Hibari" and "English (US), SVOX Pico" are sorted.
SYSTEM = ["system_en-GB", "system_en-US", "system_pico_en-US"]
AMERICAN_FIRST = ["system_en-US", "system_en-GB", "system_pico_en-US"]
US_ENGLISH = [voice.description for voice in system_voices("en") if voice.language == "en-US"]
ENGLISH = ("en", "en-US", "en-GB")


def as_home_assistant_lists(info: Info) -> dict[str, list[tuple[str, str]]]:
    """By language: name and what is shown, sorted by what is shown, by code point. A new assistant
    takes the first."""
    lists: dict[str, list[tuple[str, str]]] = {}
    for voice in info.tts[0].voices:
        for language in voice.languages:
            lists.setdefault(language, []).append((voice.name, voice.description or voice.name))
    return {tag: sorted(voices, key=lambda voice: voice[1]) for tag, voices in lists.items()}


def an_engine(folder: Path, *recorded: str, language: str = "en", ready: bool = True) -> Fallback:
    """CSM with these voices, Coqui and the system voice, as far as a list is made of them."""
    for name in recorded:
        make(folder, name, f"language: {language}")
    book = VoiceBook(folder)
    book.refresh()
    coqui = Voice(name="coqui_en", language="en", description="Coqui, en/vits", engine="coqui")
    absent = Status(Phase.ABSENT, "CSM needs an NVIDIA GPU: use a machine that has one")
    csm = csm_engines(Config(), book)[0].voices
    return Fallback(
        [
            FakeEngine("csm", voices=csm, status=None if ready else absent),
            FakeEngine("coqui", voices=(coqui,)),
            FakeEngine("system", voices=system_voices("en")),
        ]
    )


def names(engine: Fallback, tag: str, **settings: Any) -> list[str]:
    config = msgspec.structs.replace(Config(), **settings)
    return [name for name, _ in as_home_assistant_lists(make_info(config, engine))[tag]]


@pytest.mark.parametrize("ready", [True, False], ids=["by CSM", "by another engine"])
def test_the_configured_voice_comes_first_and_bare_speakers_last(
    tmp_path: Path, ready: bool
) -> None:
    engine = an_engine(tmp_path, "anna", "Bert", "zoe", "Äme", "日本", ready=ready)
    rest = ["Bert", "coqui_en", *SYSTEM, "anna", "zoe", "Äme", "日本"]
    for voice in rest:
        others = [one for one in rest if one != voice]
        assert names(engine, "en", voice=voice) == [voice, *others, *SPEAKERS]
    others = [speaker for speaker in SPEAKERS if speaker != "speaker_2"]
    assert names(engine, "en", voice="speaker_2") == ["speaker_2", *rest, *others]


@pytest.mark.parametrize("tag", ENGLISH)
@pytest.mark.parametrize("voice", ["zoe", "coqui_en", "system_en-US", "speaker_3"])
def test_it_comes_first_whatever_the_country(tmp_path: Path, tag: str, voice: str) -> None:
    """In the United States Home Assistant takes the voices of `en-US`, not those of `en`."""
    listing = names(an_engine(tmp_path, "anna", "zoe"), tag, voice=voice)
    assert listing[0] == voice
    assert {"anna", "zoe", "coqui_en", *SPEAKERS} <= set(listing)
    assert listing[-3:] == [speaker for speaker in SPEAKERS if speaker != voice][-3:]


def test_a_voice_of_a_region_is_listed_there_and_without_a_region(tmp_path: Path) -> None:
    engine = an_engine(tmp_path, "rosie", language="en_gb")
    assert [tag for tag in ENGLISH if "rosie" in names(engine, tag)] == ["en", "en-GB"]
    assert [tag for tag in ENGLISH if "rosie" in names(engine, tag, voice="rosie")] == [*ENGLISH]
    assert names(engine, "en-GB")[0] == names(engine, "en")[0] == "rosie"
    assert names(engine, "de-DE") == ["system_de-DE"]


def test_without_a_configured_voice_the_first_is_the_one_that_speaks(tmp_path: Path) -> None:
    """Of a request that names none, or only its language."""
    assert names(an_engine(tmp_path), "en")[:2] == ["speaker_0", "coqui_en"]
    assert names(an_engine(tmp_path, "zoe"), "en")[:2] == ["zoe", "coqui_en"]
    assert names(an_engine(tmp_path), "en", language="de", voice="system_de-DE")[0] == "zoe"


def test_what_is_shown_is_what_it_was(tmp_path: Path) -> None:
    """A page shows no blanks at the beginning; and none stand where nothing has to be sorted."""
    config = msgspec.structs.replace(Config(), voice="zoe")
    lists = as_home_assistant_lists(make_info(config, an_engine(tmp_path, "anna", "zoe")))
    assert [shown for _, shown in lists["en-US"]] == [
        *("  zoe", " Coqui, en/vits", *(f" {one}" for one in US_ENGLISH), " anna"),
        *(f"CSM speaker {number}" for number in range(4)),
    ]
    assert lists["de-DE"] == [("system_de-DE", "German, SVOX Pico")]
    alone = [voices for tag, voices in lists.items() if len(lists[primary_of(tag)]) == 1]
    assert len(alone) > 4
    assert all(shown == shown.strip() for ((_, shown),) in alone)


def test_without_a_gpu_what_speaks_here_comes_first_and_every_name_is_spoken(
    tmp_path: Path,
) -> None:
    csm = FakeEngine("csm", voices=csm_engines(Config(), VoiceBook(tmp_path))[0].voices)
    engine = Fallback([csm, FakeEngine("system", voices=system_voices("en"))])
    assert names(engine, "en")[0] == "speaker_0"
    for phase in (Phase.STARTING, Phase.RESTING, Phase.ABSENT):
        csm.become(phase, "not installed yet")
        assert names(engine, "en")[0] == "speaker_0"  # it will speak
    csm.become(Phase.ABSENT, "no GPU is here: another engine speaks", unsuited=True)
    assert names(engine, "en") == [*AMERICAN_FIRST, *SPEAKERS]
    listed_last = make_info(Config(), engine).tts[0].voices[-4:]
    assert [voice.name for voice in listed_last] == SPEAKERS
    assert [names(engine, "en", voice="speaker_2")[0]] == ["speaker_2"]
    for wanted, name in (("speaker_0", "speaker_0"), (None, "system_en-US")):
        voice, complaint = choose_voice(engine.voices, VoiceRequest(name=wanted), Config())
        assert voice is not None
        assert (voice.name, complaint) == (name, "")
    voice, complaint = choose_voice(engine.voices, VoiceRequest(language="en"), Config())
    assert voice is not None
    assert (voice.name, complaint) == ("system_en-US", "")


def test_a_recorded_voice_stays_the_first_without_a_gpu(tmp_path: Path) -> None:
    make(tmp_path, "anna")
    book = VoiceBook(tmp_path)
    book.refresh()
    nothing = Status(Phase.ABSENT, "no GPU is here: another engine speaks", unsuited=True)
    csm = FakeEngine("csm", voices=csm_engines(Config(), book)[0].voices, status=nothing)
    engine = Fallback([csm, FakeEngine("system", voices=system_voices("en"))])
    assert names(engine, "en") == ["anna", *SYSTEM, *SPEAKERS]
    first = make_info(Config(), engine).tts[0].voices[0]
    assert (first.description or "").strip() == (
        f"anna (now spoken by {US_ENGLISH[0]}: no GPU is here)"
    )


def test_which_engine_speaks_for_a_voice_stands_in_the_list(tmp_path: Path) -> None:
    engine = an_engine(tmp_path, "anna", "zoe", ready=False)
    config = msgspec.structs.replace(Config(), voice="zoe")
    lists = as_home_assistant_lists(make_info(config, engine))
    assert lists["en"][0] == (
        "zoe",
        "  zoe (now spoken by Coqui, en/vits: CSM needs an NVIDIA GPU)",
    )


def test_with_the_system_voice_alone_each_country_has_its_own() -> None:
    engine = FakeEngine("system", voices=system_voices("en"))
    lists = as_home_assistant_lists(make_info(Config(), Fallback([engine])))
    assert lists["en-GB"] == [("system_en-GB", "English (UK), SVOX Pico")]
    assert [name for name, _ in lists.pop("en-US")] == ["system_en-US", "system_pico_en-US"]
    assert all(len(voices) == 1 for tag, voices in lists.items() if "-" in tag)


@pytest.mark.parametrize("settings", [{}, {"language": "en-GB"}, {"voice": "system_en-GB"}])
def test_a_language_without_a_region_finds_its_voices(settings: dict[str, str]) -> None:
    """Home Assistant refuses a `language: de` of a script if no voice names just that."""
    engine = Fallback([FakeEngine("system", voices=system_voices(settings.get("language", "en")))])
    for tag in ("de", "fr", "es", "it"):
        assert names(engine, tag, **settings)[0].startswith(f"system_{tag}")
    assert names(engine, "de", **settings) == ["system_de-DE"]
    assert names(engine, "en", **settings) == (SYSTEM if settings else AMERICAN_FIRST)


VOICES = st.builds(
    Voice,
    name=st.integers().map(str),
    language=st.sampled_from(["en", "en-US", "en_gb", "de", "de-CH"]),
    description=st.text().map(str.strip).filter(str.isprintable),
    engine=st.sampled_from(["csm", "coqui", "system"]),
    clips=st.sampled_from([(), (Clip("clip.wav", "Hello."),)]),
)


@given(st.lists(VOICES, max_size=12, unique_by=lambda voice: voice.name), st.integers(0, 11))
def test_whatever_they_are_called(voices: Sequence[Voice], configured: int) -> None:
    name = voices[configured].name if configured < len(voices) else None
    ordered = default_first(voices, msgspec.structs.replace(Config(), voice=name))
    pairs = list(zip(ordered, listed(ordered, name), strict=True))
    firsts = []
    for tag in {tag for _, shown in pairs for tag in shown.languages}:
        there = [pair for pair in pairs if tag in pair[1].languages]
        listing = [voice for voice, _ in sorted(there, key=lambda pair: pair[1].description or "")]
        assert listing[0] is there[0][0]
        firsts.append(listing[0])
        if name is not None and primary_of(tag) == primary_of(ordered[0].language):
            assert listing[0].name == name
    for tag in {tag for _, shown in pairs for tag in shown.languages}:
        there = [pair for pair in pairs if tag in pair[1].languages and pair[0] not in firsts]
        listing = [voice for voice, _ in sorted(there, key=lambda pair: pair[1].description or "")]
        bare = [voice.engine == "csm" and not voice.clips for voice in listing]
        assert bare == sorted(bare)
    for voice, shown in pairs:
        assert (shown.description or "").lstrip() == (voice.description or voice.name)
        assert shown.languages[0] == standard_tag(voice.language)
