"""The page speaks: what is heard, shown and saved of a text."""

import struct
import time
from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path

import pytest
import soundfile

from tests.fakes import FakeEngine, fake_voice, frame
from tests.server.clients import eventually
from tests.server.http.doors import doors
from tests.server.http.page.browser import Browser, Page, address, expect, opened
from wyoming_csm.config import HttpConfig
from wyoming_csm.engines.base import Sentence
from wyoming_csm.voices import Voice

pytestmark = pytest.mark.asyncio(loop_scope="package")
EVERYWHERE = HttpConfig(address="0.0.0.0:0")
FRAMES = b"".join(map(frame, range(3)))
SAMPLES = [one[0] for one in struct.iter_unpack("<h", FRAMES)]


async def written(page: Page, text: str) -> None:
    """Write a text and press the button, when there are voices."""
    await expect(page.locator("#voice option")).not_to_have_count(0)
    await page.fill("#text", text)
    await page.click("#go")


async def heard(page: Page, count: int) -> list[int]:
    """Exactly so many samples, which follow each other without a gap."""
    await page.wait_for_function(f"() => ears.samples.length >= {count}")
    assert await page.evaluate("ears.rate") == 24_000
    starts = await page.evaluate("ears.starts")
    for (at, length), (following, _) in pairwise(starts):
        assert round((following - at) * 24_000) == length
    samples: list[int] = await page.evaluate("ears.samples")
    return samples


@pytest.mark.parametrize("place", ["loopback", "network"])
async def test_a_text_is_heard_and_saved(
    browser: Browser, place: str, tmp_path: Path, record_property: object
) -> None:
    engine = FakeEngine(frames=3, voices=(fake_voice("anna"), fake_voice("berta")))
    async with (
        doors(engine, http=EVERYWHERE) as both,
        opened(browser, address(both, place)) as page,
    ):
        engine.hold.clear()
        await expect(page.locator("#voice option")).to_have_count(3)
        await page.select_option("#voice", "berta")
        await written(page, "One is. Two is.")
        await eventually(lambda: engine.speaking == 1)
        assert await page.inner_text("#go") == "Stop"
        left = time.time()
        engine.hold.set()
        assert await heard(page, 6 * 1_920) == SAMPLES * 2
        await expect(page.locator("#go")).to_have_text("Speak")
        await page.wait_for_function("() => ears.first !== null")
        print(f"{place}: {await page.evaluate('ears.first') - 1000 * left:.0f} ms to the sound")
        assert engine.replies[0].voice.name == "berta"
        await expect(page.locator("#ttfa")).to_contain_text("s")
        await expect(page.locator("#length")).to_have_text("480 ms")
        await expect(page.locator("#announcer")).to_contain_text("Spoken: 480 ms")
        for name, begin in (("wav", b"RIFF"), ("mp3", b"\xff\xf3")):
            async with page.expect_download() as download:
                await page.click(f"#{name}")
            file = await (await download.value).path()
            assert (await download.value).suggested_filename == f"One is Two is.{name}"
            data = file.read_bytes()
            assert data.startswith(begin)
            if name == "wav":
                assert data[44:] == FRAMES * 2
            else:
                assert soundfile.info(file).duration == pytest.approx(0.48, abs=0.1)
        assert len(engine.asked) == 2  # the files are what was heard
        await page.fill("#text", "Three is.")
        for name in ("wav", "mp3"):
            async with page.expect_download() as download:
                await page.click(f"#{name}")
            data = (await (await download.value).path()).read_bytes()
            assert name == "mp3" or data[44:] == FRAMES
        assert engine.asked[2:] == ["Three is."]  # both files are the same reading
        await page.fill("#speed", "2")
        async with page.expect_download() as download:
            await page.click("#wav")
        faster = (await (await download.value).path()).read_bytes()[44:]
        assert len(faster) < 0.7 * len(FRAMES)
        assert engine.asked[2:] == ["Three is."] * 2


class AtOnce(FakeEngine):
    """Makes 30 frames, 2.4 s, in one part."""

    async def make(self, sentence: Sentence) -> AsyncGenerator[bytes]:
        yield b"".join(map(frame, range(30)))


async def test_long_parts_follow_each_other_without_silence(browser: Browser) -> None:
    async with (
        doors(AtOnce()) as both,
        opened(browser, address(both, "loopback")) as page,
    ):
        await written(page, "One is. Two is.")
        await expect(page.locator("#length")).to_have_text("4.8 s")  # all has come
        await heard(page, 30 * 1_920 + 1)  # into the second part, while the first is played
        await expect(page.locator("#gaps-figure")).to_be_hidden()
        await page.click("#go")


async def test_it_stops_and_is_played_again(browser: Browser, place: str) -> None:
    engine = FakeEngine(frames=1_000, frame_seconds=0.02)
    async with (
        doors(engine, http=EVERYWHERE) as both,
        opened(browser, address(both, place)) as page,
    ):
        for key in (None, "Escape"):
            await page.fill("#text", "One is.")
            before = await page.evaluate("ears.starts.length")
            await page.press("#text", "Control+Enter")
            await page.wait_for_function(f"() => ears.starts.length > {before}")
            await (page.keyboard.press(key) if key else page.click("#go"))
            await eventually(lambda: engine.speaking == 0)
            await expect(page.locator("#go")).to_have_text("Speak")
        assert engine.cancelled == ["One is."] * 2
        before = await page.evaluate("ears.starts.length")
        await page.click("#again")
        await page.wait_for_function(f"() => ears.starts.length > {before}")
        await page.click("nav >> text=Voices")
        await expect(page.locator("#voices-title")).to_be_focused()
        await page.click("nav >> text=Speak")
        await expect(page.locator("#go")).to_have_text("Speak")
        assert len(engine.asked) == 2


async def test_words_are_shown_as_they_are_spoken(browser: Browser) -> None:
    voices = (fake_voice("anna"), fake_voice("dora", "de"))
    async with (
        doors(FakeEngine(voices=voices)) as both,
        opened(browser, address(both, "loopback")) as page,
    ):
        await page.fill("#text", "It is 5 °C. [pause 2s] CO₂ at 18:45.")
        words = page.locator("#words-text")
        await expect(words).to_contain_text("It is five degrees Celsius. 2.0 s of silence C O two")
        marked = await words.locator("mark").all_inner_texts()
        assert marked[0] == "five degrees Celsius"
        assert marked[-1] == "eighteen forty-five"
        await page.select_option("#voice", "dora")
        await page.fill("#text", "5 €")
        await expect(words).to_have_text("Fünf Euro")
        await page.fill("#text", "")
        await expect(page.locator("#words")).to_be_hidden()
        await page.click("#go")  # without a text it shows what it can
        await expect(page.locator("#text")).to_have_value("Guten Morgen. Das Licht in der Küche"
            " ist an, und es ist ein ruhiger Tag.")  # fmt: skip


async def test_voices_are_offered_in_groups(browser: Browser) -> None:
    voices = (
        Voice(name="zoe", language="en", description="Zoe", engine="csm", fault="no words"),
        fake_voice("speaker_0", engine="csm"),
        fake_voice("system_en", engine="system"),
    )
    async with (
        doors(FakeEngine(voices=voices)) as both,
        opened(browser, address(both, "loopback")) as page,
    ):
        await expect(page.locator("#voice optgroup")).to_have_count(3)
        labels = await page.eval_on_selector_all("#voice optgroup", "all => all.map(o => o.label)")
        assert labels == ["Recorded", "CSM", "System voice"]
        assert "zoe (cannot be used)" in await page.inner_text("#voice")
        await page.select_option("#voice", "zoe")
        await expect(page.locator("#voice-hint")).to_have_text("no words")


async def test_a_speaker_of_several_is_chosen(browser: Browser, place: str) -> None:
    many = Voice(
        name="vctk", language="en", description="", engine="coqui", speakers=("p1", "p2", "p3")
    )
    engine = FakeEngine("coqui", voices=(many, fake_voice("anna")), frames=3)
    async with (
        doors(engine, http=EVERYWHERE) as both,
        opened(browser, address(both, place)) as page,
    ):
        speaker = page.get_by_label("Speaker")
        await expect(speaker.locator("option")).to_have_text(["p1", "p2", "p3"])
        await written(page, "One is.")  # the default voice's first
        await expect(page.locator("#announcer")).to_contain_text("Spoken")
        await speaker.select_option("p2")
        await page.click("#go")
        await eventually(lambda: len(engine.replies) == 2)
        await expect(page.locator("#go")).to_have_text("Speak")
        await page.select_option("#voice", "anna")
        await expect(speaker).to_be_hidden()
        await page.select_option("#voice", "vctk")
        await speaker.select_option("p3")
        async with page.expect_download():
            await page.click("#wav")
        await page.click("nav >> text=Voices")
        row = page.locator("[data-voice=vctk]")
        await row.get_by_label("Speaker of vctk").select_option("p2")
        await row.get_by_text("Play").click()
        await eventually(lambda: len(engine.replies) == 4)
    chosen = [reply.voice.speaker for reply in engine.replies]
    assert chosen == ["", "p2", "p3", "p2"]
