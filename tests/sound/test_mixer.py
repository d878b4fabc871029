"""One loudness for all voices, from the first sentence on, and clean ends."""

import math
import os
from pathlib import Path

import numpy as np
import pytest

from tests.sound.signals import hush, parts, speech
from wyoming_csm.audio import SAMPLE_RATE, Samples, from_pcm, to_pcm
from wyoming_csm.config import SoundConfig
from wyoming_csm.sound.loudness import Meter
from wyoming_csm.sound.mixer import Mixer

FRAME = 1_920


def mixed(mixer: Mixer, sound: Samples, voice: str = "csm/anna", size: int = FRAME) -> Samples:
    sentence = mixer.sentence("All of it.")
    pcm = [sentence.feed(to_pcm(part), voice) for part in parts(sound, size)]
    return from_pcm(b"".join([*pcm, sentence.end()]))


def loudness(sound: Samples) -> float:
    meter = Meter()
    meter.feed(sound)
    assert meter.loudness is not None
    return meter.loudness


async def test_every_voice_becomes_equally_loud_from_its_second_sentence_on() -> None:
    mixer = Mixer(SoundConfig(loudness=-20.0))
    for level in (-30.0, -24.0, -20.0, -12.0):
        voice = f"csm/voice{level:g}"
        mixed(mixer, speech(2.0, level), voice)
        for seed in range(3):
            out = mixed(mixer, speech(2.0, level + seed - 1, seed), voice)
            assert loudness(out) == pytest.approx(-20.0, abs=1.5)
            assert np.abs(out).max() < 0.9


async def test_a_voice_s_first_sentence_glides_where_it_should_be_and_a_whole_one_is_right() -> (
    None
):
    sound = speech(4.0, -28.0)
    gliding = mixed(Mixer(SoundConfig()), sound)
    assert loudness(gliding[2 * SAMPLE_RATE :]) == pytest.approx(-20.0, abs=0.5)
    steps = 20 * np.log10(np.abs(gliding[4_800:48_000] / sound[4_800:48_000]).clip(1e-3))
    assert np.median(np.abs(np.diff(steps))) < 0.02, "no step is audible"
    whole = mixed(Mixer(SoundConfig()), sound, size=len(sound))
    assert loudness(whole) == pytest.approx(-20.0, abs=0.3)


async def known(level: float) -> Mixer:
    """A mixer that knows anna's loudness."""
    mixer = Mixer(SoundConfig())
    for _ in range(5):
        mixed(mixer, speech(2.0, level))
    return mixer


@pytest.mark.parametrize("change", [-4.0, 4.0])
async def test_a_sentence_that_is_made_whole_is_right_however_loud_it_is(change: float) -> None:
    sound = speech(3.0, -26.0 + change)
    out = mixed(await known(-26.0), sound, size=len(sound))
    assert loudness(out) == pytest.approx(-20.0, abs=0.6)
    factor = out[2_400:40_000] / sound[2_400:40_000]
    assert np.ptp(20 * np.log10(np.abs(factor[np.abs(sound[2_400:40_000]) > 0.01]))) < 0.1


@pytest.mark.parametrize("change", [-4.0, 4.0])
async def test_one_that_comes_bit_by_bit_begins_as_its_voice_and_comes_nearer(
    change: float,
) -> None:
    sound, usual = speech(4.0, -26.0 + change), loudness(speech(2.0, -26.0))
    out = mixed(await known(-26.0), sound)
    begin = loudness(out[:9_600]) - loudness(sound[:9_600])
    assert begin == pytest.approx(-20.0 - usual, abs=0.2)
    assert loudness(out[-SAMPLE_RATE:]) == pytest.approx(-20.0, abs=0.8)
    assert abs(loudness(out) + 20.0) < abs(change) / 2


async def test_half_a_second_tells_less_than_the_voice_does() -> None:
    sound = speech(0.5, -22.0)
    out = mixed(await known(-26.0), sound, size=len(sound))
    assert loudness(out) == pytest.approx(-16.8, abs=0.6)


async def test_what_was_learnt_of_a_voice_outlives_the_server(tmp_path: Path) -> None:
    file = tmp_path / "loudness.json"
    mixer = Mixer(SoundConfig(), file)
    mixed(mixer, speech(2.0, -30.0))
    assert mixer.gains is not None
    await mixer.gains.written()
    out = mixed(Mixer(SoundConfig(), file), speech(0.5, -30.0))
    assert loudness(out) == pytest.approx(-20.0, abs=1.5)
    assert os.listdir(tmp_path) == ["loudness.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"a": "loud"}', b"\xff"])
async def test_a_damaged_file_is_told_of_and_made_anew(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "loudness.json"
    file.write_bytes(content)
    mixer = Mixer(SoundConfig(), file)
    assert "cannot be used" in caplog.text
    assert len(mixed(mixer, speech(1.0)))


async def test_a_gain_has_its_bounds() -> None:
    mixer = Mixer(SoundConfig(loudness=-20.0))
    for level in (-45.0, -45.0):
        out = mixed(mixer, speech(2.0, level))
    assert loudness(out) == pytest.approx(loudness(speech(2.0, -45.0)) + 12.0, abs=0.5)


@pytest.mark.parametrize("configured", [-20.0, None])
@pytest.mark.parametrize("gain", [-6.0, 4.0])
async def test_a_gain_comes_on_top_and_teaches_nothing(
    configured: float | None, gain: float
) -> None:
    mixer = Mixer(SoundConfig(loudness=configured))
    plain = [mixed(mixer, speech(2.0, -26.0)) for _ in range(2)][-1]
    sentence = mixer.sentence("All of it.", gain)
    pcm = sentence.feed(to_pcm(speech(2.0, -26.0)), "csm/anna") + sentence.end()
    assert loudness(from_pcm(pcm)) == pytest.approx(loudness(plain) + gain, abs=0.3)
    again = mixed(mixer, speech(2.0, -26.0))
    assert loudness(again) == pytest.approx(loudness(plain), abs=0.1)


async def test_a_pause_of_its_own_counts_more_than_the_configured_one() -> None:
    sentence = Mixer(SoundConfig(sentence_pause=0.4)).sentence("It is on.", pause=1.5)
    sentence.feed(to_pcm(speech(1.0)), "csm/anna")
    sentence.end()
    assert sentence.pause == 1.5


async def test_settings_that_are_off_change_nothing() -> None:
    mixer = Mixer(SoundConfig(loudness=None, sentence_pause=None))
    sentence = mixer.sentence("All of it.")
    sound = to_pcm(np.concatenate([hush(1.0), speech(1.0, -40.0), hush(2.0)]))
    assert sentence.feed(sound, "csm/anna") + sentence.end() == sound
    assert (sentence.pause, sentence.tail) == (0.0, b"")


@pytest.mark.parametrize(("text", "pause"), [("It is on.", 0.4), ("It is on", 0.4), ("Now,", 0.2)])
async def test_a_part_of_a_sentence_has_half_the_pause(text: str, pause: float) -> None:
    mixer = Mixer(SoundConfig(sentence_pause=0.4))
    sentence = mixer.sentence(text)
    out = sentence.feed(to_pcm(np.concatenate([speech(1.0), hush(1.0)])), "csm/anna")
    out += sentence.end()
    assert len(out) / 2 / SAMPLE_RATE == pytest.approx(1.0, abs=0.02)
    assert len(sentence.tail) / 2 / SAMPLE_RATE == pytest.approx(pause, abs=0.02)
    assert sentence.pause == pause


async def test_sound_that_is_broken_breaks_nothing() -> None:
    mixer = Mixer(SoundConfig())
    loud = np.full(SAMPLE_RATE, 1.0, np.float32)
    for sound in (loud, -loud, np.zeros(SAMPLE_RATE, np.float32), loud[:1], loud[:0]):
        assert np.isfinite(mixed(mixer, sound)).all()


async def test_a_sentence_that_shall_be_silent_is_as_long_as_it_was_made() -> None:
    sentence = Mixer(SoundConfig()).sentence("All of it.", -math.inf)
    out = sentence.feed(to_pcm(speech(1.0)), "csm/anna") + sentence.end()
    assert out == bytes(2 * SAMPLE_RATE)


async def test_a_stretched_sentence_is_as_loud_and_its_pause_as_long() -> None:
    mixer = Mixer(SoundConfig(loudness=-20.0, sentence_pause=0.3))
    sound = np.concatenate((hush(0.4), speech(2.0, -26.0), hush(0.8)))
    for stretch in (0.5, 1.5):
        for _ in range(2):
            sentence = mixer.sentence("All of it.")
            pcm = [sentence.feed(to_pcm(one), "csm/anna", stretch) for one in parts(sound, FRAME)]
            out = from_pcm(b"".join([*pcm, sentence.end(), sentence.tail]))
        assert len(out) / SAMPLE_RATE == pytest.approx(2.0 / stretch + 0.3, abs=0.1)
        assert loudness(out) == pytest.approx(-20.0, abs=1.0)
        assert sentence.pause == 0.3
