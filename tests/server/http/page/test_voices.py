"""Voices in the page: made of a recording, heard, renamed, deleted, made anew."""

import asyncio
import base64
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from wyoming.asr import Transcript

from tests.fake_asr import asr
from tests.fakes import FakeEngine, fake_voice
from tests.server.clients import eventually
from tests.server.http.doors import Doors, doors
from tests.server.http.page.browser import DROP, Browser, Page, Route, address, expect, opened
from tests.server.http.test_voices import names, recording
from wyoming_csm.config import Config, HttpConfig, PresetConfig
from wyoming_csm.recordings import read_voice
from wyoming_csm.voice_folders import make_voice
from wyoming_csm.voices import Voice

pytestmark = pytest.mark.asyncio(loop_scope="package")
EVERYWHERE = HttpConfig(address="0.0.0.0:0")
# At once, however slow this machine is: a recording is played in its own time.
LISTEN = """() => {
  const button = document.querySelector("#clip-play"), said = [button.textContent];
  ears.samples.length = ears.seconds = 0;
  for (const _ of [1, 2]) {
    button.click();
    said.push(button.textContent);
  }
  const loudest = ears.samples.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
  return [said, ears.seconds, loudest];
}"""


def csm(*recorded: Voice) -> FakeEngine:
    speaker = Voice(name="speaker_1", language="en", description="S", engine="csm", speaker="1")
    return FakeEngine("csm", voices=(*recorded, speaker), frames=3)


def folders(engine: FakeEngine, tmp_path: Path, **more: Any) -> AbstractAsyncContextManager[Doors]:
    settings = {"http": EVERYWHERE, "voices": str(tmp_path / "v"), "data_dir": str(tmp_path / "d")}
    return doors(engine, **(settings | more))


def put(tmp_path: Path, name: str) -> None:
    """A voice in the folder."""
    clip = tmp_path / "clip.wav"
    clip.write_bytes(recording())
    config = msgspec.structs.replace(Config(), voices=str(tmp_path / "v"))
    make_voice(config, name, clip, "To be.", "en")


async def dropped(page: Page, data: bytes, name: str) -> None:
    await page.evaluate(DROP, [name, base64.b64encode(data).decode()])


async def listened(page: Page) -> float:
    """Seconds of the recording that begin to be played by the button, which then stops it."""
    await expect(page.locator("#clip-play")).to_be_visible()
    seconds: float
    said, seconds, loudest = await page.evaluate(LISTEN)
    assert said == ["Listen", "Stop", "Listen"]
    assert loudest > 1_000
    return seconds


async def filled(page: Page, name: str, words: str = "To be or not to be.") -> None:
    """Say what else a voice needs, but for consent."""
    await page.fill("#clip-words", words)
    await page.fill("#new-name", name)
    await page.select_option("#new-language", "de")


@pytest.mark.parametrize("place", ["loopback", "network"])
async def test_a_dropped_file_becomes_a_voice_that_speaks(
    browser: Browser, place: str, tmp_path: Path
) -> None:
    engine = csm()
    kind = "WAV" if place == "loopback" else "MP3"
    async with (
        folders(engine, tmp_path) as both,
        opened(browser, f"{address(both, place)}#make") as page,
    ):
        judging = asyncio.Event()

        async def judge(route: Route) -> None:
            await judging.wait()
            await route.continue_()

        await page.route("**/api/clips/judge", judge)
        await dropped(page, recording(8.0, kind), f"a.{kind.lower()}")
        verdict = page.locator("#verdict li")
        await expect(verdict).to_have_text("It is being judged…")
        assert await listened(page) == pytest.approx(8.0, abs=0.1)
        judging.set()
        await expect(verdict).to_have_count(3)
        said = await verdict.all_inner_texts()
        assert said == ["Length: 8.0 s, enough, 10 s are better", "Level: good", "Noise: little"]
        await filled(page, "Zoë 2")
        await page.click("#make-go")
        assert not (tmp_path / "v").exists()  # nobody agreed to it
        await page.check("#consent")
        await page.click("#make-go")
        await expect(page.locator("#made-title")).to_have_text("Zoë 2 is saved")
        await expect(page.locator("#made-title")).to_be_focused()
        await eventually(lambda: len(engine.asked) == 2)  # it is tried at once
        await expect(page.locator("#made-problem")).to_contain_text(
            "There is no such voice: the default one speaks."
        )
        assert engine.asked[0] == "Guten Morgen."
        voice = read_voice(tmp_path / "v" / "Zoë 2")
        assert (voice.language, voice.clips[0].text) == ("de", "To be or not to be.")
        engine.have_voices(*engine.voices, voice)
        await page.click("#made-speak")
        await page.click("nav >> text=Voices")
        await page.click("nav >> text=Speak")
        await expect(page.locator("#voice optgroup[label=Recorded]")).to_have_count(1)
        await page.select_option("#voice", "Zoë 2")
        await page.fill("#text", "One is.")
        await page.click("#go")
        await eventually(lambda: engine.asked[-1] == "One is.")
        assert engine.replies[-1].voice.name == "Zoë 2"


async def test_the_microphone_becomes_a_voice(browser: Browser, tmp_path: Path) -> None:
    engine = csm()
    async with (
        asr(answer=Transcript("it is what was said").event()) as uri,
        folders(engine, tmp_path, http=HttpConfig(address="127.0.0.1:0", asr=uri)) as both,
        opened(browser, f"{both.url}/#make", permissions=["microphone"]) as page,
    ):
        await page.click("#record")
        await expect(page.locator("#clip-name")).to_have_text("Level: good")
        await expect(page.locator("#record")).to_have_text("Stop (2 s)")
        await expect(page.locator("#clip-play")).to_be_hidden()
        await page.click("#record")
        await expect(page.locator("#verdict .good").first).to_contain_text("Level: good")
        assert await listened(page) > 1.5
        assert not engine.asked
        await filled(page, "anna", "")
        await page.click("#transcribe")
        await expect(page.locator("#clip-words")).to_have_value("it is what was said")
        await page.check("#consent")
        await page.click("#make-go")
        await expect(page.locator("#made-title")).to_have_text("anna is saved")
        await eventually(lambda: len(engine.asked) == 2)
    assert read_voice(tmp_path / "v" / "anna").clips[0].text == "it is what was said"


async def test_where_csm_is_left_out_it_is_said_before_and_once_after(
    browser: Browser, tmp_path: Path
) -> None:
    engine = FakeEngine("system", frames=3)
    async with (
        folders(engine, tmp_path, engines=("system",)) as both,
        opened(browser, f"{both.url}/#make") as page,
    ):
        await expect(page.locator("#no-csm")).to_have_text(
            "Recordings can be saved, but CSM, which speaks with them, cannot speak here:"
            " left out by --light or engines."
        )
        await expect(page.locator("#no-csm code")).to_have_text("engines")
        await dropped(page, recording(), "a.wav")
        await filled(page, "anna")
        await page.check("#consent")
        await page.click("#make-go")
        made = page.locator("#made")
        await expect(made).to_contain_text("anna is saved")
        assert (await made.inner_text()).count("no engine here speaks with recordings") == 0
        fault = "No engine here speaks with recordings: start without --light, and with csm among"
        assert (await made.inner_text()).count(fault) == 1
        assert "`" not in await made.inner_text()
        assert not engine.asked  # in another voice
        await page.click("#made-play")
        told = page.locator("#made-problem")
        await expect(told).to_contain_text("The voice anna cannot speak here (no engine here")
        await expect(told).to_contain_text("): the default one speaks.")
        await page.click("#made-speak")
        await page.select_option("#voice", "anna")
        await expect(page.locator("#voice-hint code")).to_have_text("engines")
        await page.click("nav >> text=Voices")
        await expect(page.locator("[data-voice=anna] .bad code")).to_have_text("engines")


@pytest.mark.parametrize("place", ["loopback", "network"])
async def test_without_a_microphone_it_says_why(
    browser: Browser, place: str, tmp_path: Path
) -> None:
    async with (
        folders(csm(), tmp_path) as both,
        opened(browser, f"{address(both, place)}#make", permissions=[]) as page,
    ):
        if place == "network":
            await expect(page.locator("#record")).to_be_hidden()
            await expect(page.locator("#no-microphone")).to_contain_text("only secure pages")
        else:
            await page.click("#record")
            await expect(page.locator("#clip-problem")).to_contain_text("allow it")


async def test_voices_are_heard_renamed_deleted_and_made_anew(
    browser: Browser, place: str, tmp_path: Path
) -> None:
    presets = {"night": PresetConfig(voice="anna")}
    engine = csm()
    async with folders(engine, tmp_path, presets=presets) as both:
        for name in ("anna", "berta"):
            put(tmp_path, name)

        def look_again() -> None:
            found = [read_voice(path) for path in sorted((tmp_path / "v").iterdir())]
            engine.have_voices(*found, *csm().voices)

        look_again()
        async with opened(browser, f"{address(both, place)}#voices") as page:
            row = page.locator("[data-voice=anna]")
            await row.get_by_text("Play").click()
            await eventually(lambda: len(engine.asked) == 2)
            assert engine.replies[0].voice.name == "anna"
            await row.get_by_text("Rename").click()
            await page.fill("dialog input", "carla")
            await page.keyboard.press("Enter")
            await eventually(lambda: names(tmp_path / "v") == ["berta", "carla"])
            note = page.locator("#voices-list .note")
            await expect(note).to_contain_text("called carla now")
            await expect(note).to_contain_text("Presets without their voice now: night")
            look_again()
            await page.reload()
            row = page.locator("[data-voice=carla]")
            for answer, there in (("Cancel", ["berta", "carla"]), ("Delete", ["berta"])):
                await row.get_by_text("Delete").click()
                await page.get_by_role("dialog").get_by_text(answer, exact=True).click()
                await eventually(lambda there=there: names(tmp_path / "v") == there)  # type: ignore[misc]
            await expect(note).to_have_text("carla is deleted.")
            await page.locator("[data-voice=speaker_1]").get_by_text("Reroll").click()
            await page.get_by_role("dialog").get_by_text("Reroll", exact=True).click()
            await expect(note).to_contain_text("gets another voice")
            assert names(tmp_path / "d" / "speakers") == ["1.seed"]


async def test_a_voice_that_cannot_be_used_says_why_and_can_be_deleted(
    browser: Browser, tmp_path: Path
) -> None:
    put(tmp_path, "anna")
    anna = Voice(name="anna", language="", description="", engine="csm", fault="no engine has it")
    engine = csm(anna)
    async with (
        folders(engine, tmp_path) as both,
        opened(browser, f"{both.url}/#voices") as page,
    ):
        row, told = page.locator("[data-voice=anna]"), page.locator("#voices-problem")
        await expect(row.locator(".bad")).to_have_text("no engine has it")
        engine.have_voices(*csm().voices)
        await row.get_by_text("Play").click()
        await expect(told).to_contain_text("There is no such voice: the default one speaks.")
        await row.get_by_text("Delete").click()
        await page.get_by_role("dialog").get_by_text("Delete", exact=True).click()
        await eventually(lambda: names(tmp_path / "v") == [])


async def test_a_voice_that_is_there_is_replaced_only_after_a_question(
    browser: Browser, tmp_path: Path
) -> None:
    engine = csm()
    async with (
        folders(engine, tmp_path) as both,
        opened(browser, f"{both.url}/#make") as page,
    ):
        put(tmp_path, "anna")
        engine.have_voices(read_voice(tmp_path / "v" / "anna"), fake_voice("b"))
        judging = asyncio.Event()

        async def judge(route: Route) -> None:
            await judging.wait()
            await route.continue_()

        await page.route("**/api/clips/judge", judge)
        await dropped(page, recording(), "a.flac.wav")
        await filled(page, "anna", "Other words.")
        await page.check("#consent")
        await page.click("#make-go")  # while it is judged: that is waited for
        await expect(page.locator("#make-go")).to_have_attribute("aria-busy", "true")
        judging.set()
        await page.get_by_role("dialog").get_by_text("Cancel", exact=True).click()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        for answer, words in (("Cancel", "To be."), ("Replace", "Other words.")):
            await page.click("#make-go")
            await page.get_by_role("dialog").get_by_text(answer, exact=True).click()
            await expect(page.get_by_role("dialog")).to_have_count(0)  # the button works again
            if answer == "Replace":
                await expect(page.locator("#made")).to_be_visible()
            assert read_voice(tmp_path / "v" / "anna").clips[0].text == words
