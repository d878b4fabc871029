"""What a listener gets of an engine's sound, with the settings of a new installation."""

import asyncio
import time
from collections.abc import AsyncGenerator

import numpy as np
import pytest
from wyoming.tts import SynthesizeChunk, SynthesizeStart, SynthesizeStop

from tests.fakes import FakeEngine
from tests.server.clients import audio, peer, say, serving
from tests.sound.signals import hush, parts, speech
from wyoming_csm.audio import SAMPLE_RATE, Samples, from_pcm, to_pcm
from wyoming_csm.config import SoundConfig
from wyoming_csm.engines.base import Sentence
from wyoming_csm.sound.loudness import Meter

WORDS = speech(1.0, -30.0)


class Speaking(FakeEngine):
    """Says WORDS with too much silence at both ends, each part as soon as the one before."""

    async def make(self, sentence: Sentence) -> AsyncGenerator[bytes]:
        for part in parts(np.concatenate([hush(0.3), WORDS, hush(0.9)]), 1_920):
            await asyncio.sleep(0)
            yield to_pcm(part)


def loudness(sound: Samples) -> float:
    meter = Meter()
    meter.feed(sound)
    assert meter.loudness is not None
    return meter.loudness


def silences(sound: Samples) -> list[float]:
    """Return how long each silence is, in seconds."""
    loud = np.flatnonzero(np.abs(sound).reshape(-1, 240).max(axis=1) > 0.02)  # windows of 10 ms
    return [0.01 * (n - 1) for n in np.diff([*loud, len(sound) // 240]) if n > 1]


@pytest.mark.parametrize("lead_in", [0.0, 0.5])
async def test_a_reply_is_loud_enough_and_its_pauses_are_as_asked_for(lead_in: float) -> None:
    sound = SoundConfig(sentence_pause=0.4, lead_in=lead_in)
    async with serving(Speaking(), sound=sound) as server, peer(server) as client:
        for _ in range(2):
            await client.send(say("One is on. Two is off. Three is open."))
            out = from_pcm(audio(await client.until("audio-stop")))
    assert len(out) / SAMPLE_RATE == pytest.approx(lead_in + 3 * (0.04 + 1.0 + 0.4), abs=0.05)
    assert loudness(out) == pytest.approx(-20.0, abs=1.0)
    assert np.abs(out[: round((lead_in + 0.02) * SAMPLE_RATE)]).max() < 0.01
    assert np.abs(out[round((lead_in + 0.05) * SAMPLE_RATE) :][:2_400]).max() > 0.05


async def test_paragraphs_and_items_are_further_apart_than_sentences() -> None:
    text = "One is on. Two is off.\n- Three is open.\n- Four is shut.\n\nAnd five is on."
    sound = SoundConfig(sentence_pause=0.2, item_pause=0.4, paragraph_pause=0.8)
    async with serving(Speaking(), sound=sound) as server, peer(server) as client:
        await client.send(say(text))
        out = from_pcm(audio(await client.until("audio-stop")))
    out = out[: len(out) // 240 * 240]
    quiet = [seconds for seconds in silences(out) if seconds > 0.1]
    assert quiet == pytest.approx([0.24, 0.44, 0.44, 0.84, 0.2], abs=0.03)


async def test_a_break_is_the_whole_pause_whatever_the_sentence_before_ends_with() -> None:
    """With an onset of 0.04 s, which belongs to the next sentence."""
    lengths = []
    async with serving(Speaking(), sound=SoundConfig()) as server, peer(server) as client:
        for seconds in (1.234, 0.5, 0.15, 0.0):
            for text in (
                f"<speak>One is on.<break time='{seconds}s'/> Two is off.</speak>",
                f"<speak>One <break time='{seconds or 0.01}s'/> is off.</speak>",
            ):
                await client.send(say(text))
                sound = audio(await client.until("audio-stop"))
                out = from_pcm(sound[: len(sound) // 480 * 480])
                quiet = [one for one in silences(out) if one > 0.03]
                assert quiet == pytest.approx([(seconds or 0.01) + 0.04, 0.25], abs=0.02)
                lengths.append(len(sound) // 2)
    assert lengths[0] - lengths[2] == round(0.734 * SAMPLE_RATE)
    assert lengths[::2] == lengths[1::2]


async def test_a_phrase_is_not_torn_apart_where_its_manner_changes() -> None:
    text = "It is <prosody volume='-3dB'>so very</prosody> loud, <lang xml:lang='en-GB'>and so on."
    async with serving(Speaking(), sound=SoundConfig()) as server, peer(server) as client:
        await client.send(say(f"<speak>{text}</speak>"))
        sound = audio(await client.until("audio-stop"))
    quiet = [one for one in silences(from_pcm(sound[: len(sound) // 480 * 480])) if one > 0.03]
    assert quiet == pytest.approx([0.05, 0.05, 0.165, 0.25], abs=0.02)


async def test_who_waits_for_text_gets_silence_and_the_text_as_soon_as_it_comes() -> None:
    async with serving(Speaking(), sound=SoundConfig()) as server, peer(server) as client:
        began = time.monotonic()
        await client.send(SynthesizeStart().event(), SynthesizeChunk("It is on. Wait ").event())
        await asyncio.sleep(2.5)
        await client.send(SynthesizeChunk("for it.").event(), SynthesizeStop().event())
        out = from_pcm(audio(await client.until("audio-stop")))
        took = time.monotonic() - began
    second = len(out) / SAMPLE_RATE - 1.25
    assert second == pytest.approx(took, abs=0.5), "it begins when the first could be over"


async def test_no_silence_comes_after_the_end_or_to_a_reply_that_failed() -> None:
    engine = Speaking()
    async with serving(engine, sound=SoundConfig()) as server, peer(server) as client:
        await client.send(say("It is on."))
        await client.until("audio-stop")
        await asyncio.sleep(1.5)
        engine.make = FakeEngine(fail_after=0).make  # type: ignore[method-assign]
        await client.send(say("It is on."))
        events = await client.rest()
    assert "audio-chunk" not in [event.type for event in events[:-1]]
    assert events[-1].type == "error"
