"""Which voice a request gets."""

import msgspec
import pytest

from wyoming_csm.config import Config
from wyoming_csm.voice_choice import VoiceRequest, choose_voice, default_first
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
    return [one.name for one in default_first(VOICES, config)]


def test_the_default_comes_first() -> None:
    assert names(CONFIG) == ["anna", "hans", "bob", "eve"]
    assert names(msgspec.structs.replace(CONFIG, voice="eve")) == ["eve", "hans", "anna", "bob"]
    assert names(msgspec.structs.replace(CONFIG, voice="nobody")) == ["anna", "hans", "bob", "eve"]
    assert names(msgspec.structs.replace(CONFIG, language="fr")) == ["hans", "anna", "bob", "eve"]


def test_a_recorded_voice_is_the_default_before_others_of_the_language() -> None:
    """Who records one in `en-US` wants it, whatever else speaks just `en`."""
    recorded = msgspec.structs.replace(VOICES[2], clips=(Clip("clip.wav", "Hello."),))
    assert default_first((voice("speaker_0", "en"), *VOICES[:2], recorded), CONFIG)[0] is recorded
    german = msgspec.structs.replace(CONFIG, language="de")
    assert default_first((*VOICES, recorded), german)[0] is VOICES[0]


@pytest.mark.parametrize(
    ("wanted", "name", "complaint"),
    [
        (VoiceRequest(), "anna", ""),
        (VoiceRequest(name="bob"), "bob", ""),
        (VoiceRequest(name="../../etc/passwd"), "anna", "no voice '../../etc/passwd'"),
        (VoiceRequest(name=""), "anna", "no voice ''"),
        (VoiceRequest(name="x" * 5000), "anna", f"no voice '{'x' * 60}'"),
        (VoiceRequest(name="no\nbody"), "anna", r"no voice 'no\\nbody'"),
        (VoiceRequest(language="en"), "anna", ""),
        (VoiceRequest(language="en_US"), "bob", ""),
        (VoiceRequest(language="en-AU"), "anna", ""),
        (VoiceRequest(language="DE"), "hans", ""),
        (VoiceRequest(language="fr"), "anna", "no voice for 'fr'"),
        (VoiceRequest(name="bob", language="de"), "bob", ""),
    ],
)
def test_every_wish_ends_in_a_voice(wanted: VoiceRequest, name: str, complaint: str) -> None:
    found, said = choose_voice(VOICES, wanted, CONFIG)
    assert found is not None
    assert found.name == name
    assert said == (f"there is {complaint}".replace("\\\\n", "\\n") if complaint else "")


def test_the_default_of_a_language_comes_before_others_of_it() -> None:
    config = msgspec.structs.replace(CONFIG, voice="eve")
    found, _ = choose_voice(VOICES, VoiceRequest(language="de"), config)
    assert found is not None
    assert found.name == "eve"


def test_a_speaker_of_the_voice() -> None:
    found, said = choose_voice(VOICES, VoiceRequest(name="anna", speaker="glad"), CONFIG)
    assert found is not None
    assert (found.speaker, said) == ("glad", "")


def test_a_speaker_it_does_not_have() -> None:
    found, said = choose_voice(VOICES, VoiceRequest(name="anna", speaker="angry"), CONFIG)
    assert found is VOICES[1]
    assert said == "anna has no speaker 'angry'"


def test_no_voice_at_all() -> None:
    assert choose_voice((), VoiceRequest(name="bob"), CONFIG) == (None, "")
