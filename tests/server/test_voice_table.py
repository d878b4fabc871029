"""Which voice a request gets."""

import msgspec
import pytest

from wyoming_csm.config import Config
from wyoming_csm.server.fields import Wanted
from wyoming_csm.server.voice_table import choose_voice, in_order
from wyoming_csm.voices import Clip, Voice


def voice(name: str, language: str, speakers: tuple[str, ...] = ()) -> Voice:
    return Voice(name=name, language=language, description=name, engine="x", speakers=speakers)


VOICES = (
    voice("hans", "de"),
    voice("anna", "en-GB", speakers=("calm", "glad")),
    voice("bob", "en-US"),
    voice("eve", "de"),
)
CONFIG = Config()


def names(config: Config) -> list[str]:
    return [one.name for one in in_order(VOICES, config)]


def test_the_default_comes_first() -> None:
    assert names(CONFIG) == ["anna", "hans", "bob", "eve"]
    assert names(msgspec.structs.replace(CONFIG, voice="eve")) == ["eve", "hans", "anna", "bob"]
    assert names(msgspec.structs.replace(CONFIG, voice="nobody")) == ["anna", "hans", "bob", "eve"]
    assert names(msgspec.structs.replace(CONFIG, language="fr")) == ["hans", "anna", "bob", "eve"]


def test_a_recorded_voice_is_the_default_before_others_of_the_language() -> None:
    """Who records one in `en-US` wants it, whatever else speaks just `en`."""
    recorded = msgspec.structs.replace(VOICES[2], clips=(Clip("clip.wav", "Hello."),))
    assert in_order((voice("speaker_0", "en"), *VOICES[:2], recorded), CONFIG)[0] is recorded
    german = msgspec.structs.replace(CONFIG, language="de")
    assert in_order((*VOICES, recorded), german)[0] is VOICES[0]


@pytest.mark.parametrize(
    ("wanted", "name", "complaint"),
    [
        (Wanted(), "anna", ""),
        (Wanted(name="bob"), "bob", ""),
        (Wanted(name="../../etc/passwd"), "anna", "no voice '../../etc/passwd'"),
        (Wanted(name=""), "anna", "no voice ''"),
        (Wanted(name="x" * 5000), "anna", f"no voice '{'x' * 60}'"),
        (Wanted(name="no\nbody"), "anna", r"no voice 'no\\nbody'"),
        (Wanted(language="en"), "anna", ""),
        (Wanted(language="en_US"), "bob", ""),
        (Wanted(language="en-AU"), "anna", ""),
        (Wanted(language="DE"), "hans", ""),
        (Wanted(language="fr"), "anna", "no voice for 'fr'"),
        (Wanted(name="bob", language="de"), "bob", ""),
    ],
)
def test_every_wish_ends_in_a_voice(wanted: Wanted, name: str, complaint: str) -> None:
    found, said = choose_voice(VOICES, wanted, CONFIG)
    assert found is not None
    assert found.name == name
    assert said == (f"there is {complaint}".replace("\\\\n", "\\n") if complaint else "")


def test_the_default_of_a_language_comes_before_others_of_it() -> None:
    config = msgspec.structs.replace(CONFIG, voice="eve")
    found, _ = choose_voice(VOICES, Wanted(language="de"), config)
    assert found is not None
    assert found.name == "eve"


def test_a_speaker_of_the_voice() -> None:
    found, said = choose_voice(VOICES, Wanted(name="anna", speaker="glad"), CONFIG)
    assert found is not None
    assert (found.speaker, said) == ("glad", "")


def test_a_speaker_it_does_not_have() -> None:
    found, said = choose_voice(VOICES, Wanted(name="anna", speaker="angry"), CONFIG)
    assert found is VOICES[1]
    assert said == "anna has no speaker 'angry'"


def test_no_voice_at_all() -> None:
    assert choose_voice((), Wanted(name="bob"), CONFIG) == (None, "")
