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
from wyoming_csm.engines.csm import csm_engine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.engines.system import system_voices
from wyoming_csm.server.info import descriptions, make_info
from wyoming_csm.server.voice_table import in_order
from wyoming_csm.voices import Clip, Voice, VoiceBook

SPEAKERS = [f"speaker_{number}" for number in range(4)]


def as_home_assistant_lists(info: Info) -> dict[str, list[tuple[str, str]]]:
    """By language: name and what is shown, sorted by what is shown, by code point. A new assistant
    takes the first."""
    listed: dict[str, list[tuple[str, str]]] = {}
    for voice in info.tts[0].voices:
        for language in voice.languages:
            listed.setdefault(language, []).append((voice.name, voice.description or voice.name))
    return {
        language: sorted(voices, key=lambda voice: voice[1]) for language, voices in listed.items()
    }


def a_house(folder: Path, *recorded: str, ready: bool = True) -> Fallback:
    """CSM with these voices, Coqui and the system voice, as far as a list is made of them."""
    for name in recorded:
        make(folder, name)
    book = VoiceBook(folder)
    book.refresh()
    coqui = Voice(name="coqui_en", language="en", description="Coqui, en/vits", engine="coqui")
    absent = Status(Phase.ABSENT, "CSM needs an NVIDIA GPU: use a machine that has one")
    return Fallback(
        [
            FakeEngine(
                "csm",
                voices=csm_engine(Config(), book).voices,
                status=None if ready else absent,
            ),
            FakeEngine("coqui", voices=(coqui,)),
            FakeEngine("system", voices=system_voices("en")),
        ]
    )


def english(house: Fallback, **settings: Any) -> list[str]:
    config = msgspec.structs.replace(Config(), **settings)
    return [name for name, _ in as_home_assistant_lists(make_info(config, house))["en"]]


@pytest.mark.parametrize("ready", [True, False], ids=["by CSM", "by another engine"])
def test_the_configured_voice_comes_first_and_bare_speakers_last(
    tmp_path: Path, ready: bool
) -> None:
    house = a_house(tmp_path, "anna", "Bert", "zoe", "Äme", "日本", ready=ready)
    rest = ["Bert", "coqui_en", "anna", "zoe", "Äme", "日本"]
    for voice in rest:
        others = [one for one in rest if one != voice]
        assert english(house, voice=voice) == [voice, *others, *SPEAKERS]
    others = [speaker for speaker in SPEAKERS if speaker != "speaker_2"]
    assert english(house, voice="speaker_2") == ["speaker_2", *rest, *others]


def test_without_a_configured_voice_the_first_is_the_one_that_speaks(tmp_path: Path) -> None:
    """Of a request that names none, or only its language."""
    assert english(a_house(tmp_path)) == ["speaker_0", "coqui_en", *SPEAKERS[1:]]
    assert english(a_house(tmp_path, "zoe")) == ["zoe", "coqui_en", *SPEAKERS]
    assert english(a_house(tmp_path), language="de", voice="system_de-DE")[0] == "zoe"


def test_what_is_shown_is_what_it_was(tmp_path: Path) -> None:
    """A page shows no blanks at the beginning; and none stand where nothing has to be sorted."""
    config = msgspec.structs.replace(Config(), voice="zoe")
    listed = as_home_assistant_lists(make_info(config, a_house(tmp_path, "anna", "zoe")))
    assert [shown for _, shown in listed["en"]] == [
        *("  zoe", " Coqui, en/vits", " anna"),
        *(f"CSM speaker {number}, no fixed voice" for number in range(4)),
    ]
    assert listed["en-US"] == [("system_en-US", "English (US), SVOX Pico")]
    assert all(
        shown[0] != " " for tag, voices in listed.items() for _, shown in voices if tag != "en"
    )


def test_who_speaks_for_a_voice_stands_in_the_list(tmp_path: Path) -> None:
    house = a_house(tmp_path, "anna", "zoe", ready=False)
    config = msgspec.structs.replace(Config(), voice="zoe")
    listed = as_home_assistant_lists(make_info(config, house))["en"]
    assert listed[0] == ("zoe", "  zoe (now spoken by Coqui, en/vits: CSM needs an NVIDIA GPU)")


VOICES = st.builds(
    Voice,
    name=st.integers().map(str),
    language=st.sampled_from(["en", "en-US", "de"]),
    description=st.text().map(str.strip).filter(str.isprintable),
    engine=st.sampled_from(["csm", "coqui", "system"]),
    clips=st.sampled_from([(), (Clip("clip.wav", "Hello."),)]),
)


@given(st.lists(VOICES, max_size=12, unique_by=lambda voice: voice.name), st.integers(0, 11))
def test_whatever_they_are_called(voices: Sequence[Voice], default: int) -> None:
    names = [voice.name for voice in voices]
    config = msgspec.structs.replace(
        Config(), voice=names[default] if default < len(names) else None
    )
    ordered = in_order(voices, config)
    shown = descriptions(ordered)
    assert [one.lstrip() for one in shown] == [one.description or one.name for one in ordered]
    for language in {voice.language for voice in voices}:
        there = [pair for pair in zip(ordered, shown, strict=True) if pair[0].language == language]
        listed = [voice for voice, _ in sorted(there, key=lambda pair: pair[1])]
        assert listed[0] is there[0][0]
        bare = [voice.engine == "csm" and not voice.clips for voice in listed[1:]]
        assert bare == sorted(bare)
