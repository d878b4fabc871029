"""A text that stalls, as when a language model stops to use a tool."""

from wyoming.tts import SynthesizeChunk, SynthesizeStart, SynthesizeStop

from tests.fakes import FakeEngine
from tests.server.clients import peer, serving, types


async def test_a_whole_sentence_is_spoken_before_the_text_goes_on() -> None:
    engine = FakeEngine()
    async with serving(engine) as server, peer(server) as client:
        await client.send(SynthesizeStart().event(), SynthesizeChunk("Let me check.").event())
        assert types(await client.until("audio-chunk")) == ["audio-start", "audio-chunk"]
        assert engine.asked == ["Let me check."]
        await client.send(
            SynthesizeChunk(" The door is").event(), SynthesizeChunk(" open.").event()
        )
        await client.send(SynthesizeStop().event())
        assert types(await client.until("synthesize-stopped")) == [
            "audio-chunk",
            "audio-stop",
            "synthesize-stopped",
        ]
    assert engine.asked == ["Let me check.", "The door is open."]
