"""Info: what Home Assistant makes its list of voices of."""

import msgspec
from wyoming.info import Info

from tests.fakes import FakeEngine, fake_voice
from tests.server.test_wire import fed
from wyoming_csm import __version__
from wyoming_csm.config import Config
from wyoming_csm.engines.base import Phase
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.lexicons import Lexicons
from wyoming_csm.server.info import InfoBytes, make_info
from wyoming_csm.server.wire import encode, read_event


def an_engine() -> FakeEngine:
    anna = msgspec.structs.replace(fake_voice("anna", "en-GB"), speakers=("calm", "glad"))
    return FakeEngine(voices=(fake_voice("hans", "de"), anna))


async def test_one_program_with_the_default_voice_first() -> None:
    config = Config()
    event = await read_event(
        fed(encode(make_info(config, Fallback([an_engine()])).event())), config.limits
    )
    assert event is not None
    info = Info.from_event(event)
    (program,) = info.tts
    assert (program.name, program.version, program.installed) == ("wyoming-csm", __version__, True)
    assert program.supports_synthesize_streaming
    assert [voice.name for voice in program.voices] == ["anna", "hans"]
    anna = program.voices[0]
    assert (anna.description, anna.languages, anna.installed) == ("Anna", ["en-GB", "en"], True)
    assert [speaker.name for speaker in anna.speakers or ()] == ["calm", "glad"]
    assert program.voices[1].speakers is None
    assert info.satellite is None
    assert "satellite" not in event.data  # Home Assistant would take us for one


async def test_the_description_says_the_engines_state() -> None:
    engine = an_engine()
    engine.become(Phase.ABSENT, "no GPU")
    assert (
        make_info(Config(), Fallback([engine])).tts[0].description
        == "Text to speech. Now: fake: no GPU"
    )
    engine.become(Phase.STARTING)
    assert (
        make_info(Config(), Fallback([engine])).tts[0].description
        == "Text to speech. Now: fake: starting"
    )


async def test_made_once_and_again_after_a_change() -> None:
    engine = an_engine()
    info = InfoBytes(Config(), Fallback([engine]), Lexicons(Config()))
    before = info.get()
    assert info.get() is before
    engine.have_voices(fake_voice("eve"))
    assert b'"eve"' in info.get()
    assert b'"anna"' not in info.get()
    engine.become(Phase.ABSENT, "no GPU")
    assert b"no GPU" in info.get()
