"""Every error is told in words, where it belongs; a token is asked for."""

import base64
import re
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.fakes import FakeEngine, fake_voice
from tests.server.clients import eventually
from tests.server.http.doors import doors
from tests.server.http.page.browser import (
    DROP,
    Browser,
    Page,
    WebSocketRoute,
    address,
    expect,
    opened,
)
from tests.server.http.page.test_speak import written
from tests.server.http.page.test_voices import put
from wyoming_csm.config import HttpConfig, Limits
from wyoming_csm.engines.base import Phase, Status
from wyoming_csm.voices import Voice
from wyoming_csm.worker.protocol import GpuMemory

pytestmark = pytest.mark.asyncio(loop_scope="package")
EVERYWHERE = HttpConfig(address="0.0.0.0:0")


async def test_an_engine_that_fails_is_told(browser: Browser, place: str) -> None:
    engine = FakeEngine(frames=3, fail_after=2)
    async with (
        doors(engine, http=EVERYWHERE) as both,
        opened(browser, address(both, place)) as page,
    ):
        problem = page.locator("#speak-problem")
        await written(page, "One is.")
        await expect(problem).to_contain_text("Fake was told to fail")
        await problem.get_by_text("Dismiss").click()
        await expect(problem).to_be_hidden()
        engine.fail_after = 0
        await page.click("#mp3")
        await expect(problem).to_contain_text("fake was told to fail after 0 frames")
        engine.fail_after = None
        await written(page, "One is.")
        await expect(problem).to_be_hidden()


async def test_a_text_that_is_too_long_is_told(browser: Browser) -> None:
    async with (
        doors(FakeEngine(), limits=Limits(text_characters=20)) as both,
        opened(browser, address(both, "loopback")) as page,
    ):
        await page.fill("#text", "One is and two is and three is.")
        await expect(page.locator("#count")).to_have_text("31 of 20 characters")
        await expect(page.locator("#words-problem")).to_contain_text("20 are allowed")


async def test_what_no_file_can_be_made_of_is_told(browser: Browser) -> None:
    async with (
        doors(FakeEngine(frames=3), limits=Limits(upload_bytes=10_000)) as both,
        opened(browser, address(both, "loopback")) as page,
    ):
        await written(page, "One is.")
        problem = page.locator("#speak-problem")
        await page.click("#mp3")
        await expect(problem).to_contain_text("save it as WAV")
        await page.fill("#text", " ")
        await page.click("#mp3")
        await expect(problem).to_contain_text("There is nothing to save")


async def test_what_is_not_as_wished_is_told_while_it_is_spoken(browser: Browser) -> None:
    def warn(page: WebSocketRoute) -> None:
        server = page.connect_to_server()

        def passed_on(message: str | bytes) -> None:
            server.send(message)
            if '"end"' in str(message):
                page.send('{"type": "warning", "message": "the text is cut: 20 are allowed"}')

        page.on_message(passed_on)

    engine = FakeEngine(voices=(fake_voice("anna"), fake_voice("berta")), frames=3)
    async with (
        doors(engine) as both,
        opened(browser, address(both, "loopback")) as page,
    ):
        problem = page.locator("#speak-problem")
        await expect(page.locator("#voice option")).to_have_count(3)
        await page.select_option("#voice", "berta")
        engine.have_voices(fake_voice("anna"))
        await page.route_web_socket("**/api/stream", warn)
        await written(page, "One is.")
        await expect(problem).to_contain_text("The text is cut: 20 are allowed.")
        await expect(problem).to_contain_text("There is no such voice: the default one speaks.")
        await expect(problem).to_have_class("problem mild")
        await expect(page.locator("#announcer")).to_contain_text("Spoken")
        await problem.get_by_text("Dismiss").click()
        await expect(problem).to_be_hidden()
        engine.fail_after = 0
        await page.click("#go")
        await expect(problem).to_contain_text("told to fail")
        await expect(problem).to_have_class("problem")


async def test_it_says_that_nobody_answers(browser: Browser) -> None:
    async with doors(FakeEngine()) as both:
        url = address(both, "loopback")
        async with opened(browser, url) as page:
            await expect(page.locator("#voice option")).not_to_have_count(0)
            await both.http.drain()
            await both.http.__aexit__()
            await page.fill("#text", "One is.")
            await page.click("#go")
            await expect(page.locator("#speak-problem")).to_contain_text("does not answer")
            await page.click("nav >> text=Voices")
            await expect(page.locator("#voices-problem")).to_contain_text("does not answer")
            await page.click("nav >> text=Status")
            await expect(page.locator("#status-problem")).to_contain_text("does not answer")
            await expect(page.locator("#status-known")).to_be_hidden()  # nothing is known


async def test_it_says_that_there_is_no_room(browser: Browser) -> None:
    engine = FakeEngine()
    engine.hold.clear()
    async with (
        doors(engine, limits=Limits(connections=8)) as both,
        opened(browser, address(both, "loopback")) as page,
        AsyncExitStack() as crowd,
    ):
        await expect(page.locator("#voice option")).not_to_have_count(0)
        for number in range(1, 9):
            live = await crowd.enter_async_context(both.client.ws_connect("/api/stream"))
            await live.send_json({"type": "text", "text": "One is. And"})
            await eventually(lambda n=number: engine.speaking + engine.waiting == n)  # type: ignore[misc]
        await written(page, "Two is.")
        problem = page.locator("#speak-problem")
        await expect(problem).to_have_text(re.compile("^Too many are being spoken to: .* seconds"))
        engine.hold.set()


async def drop(page: Page, name: str, data: bytes) -> None:
    await page.evaluate(DROP, [name, base64.b64encode(data).decode()])


async def test_what_cannot_be_done_with_voices_is_told(browser: Browser, tmp_path: Path) -> None:
    put(tmp_path, "anna")
    anna = Voice(name="anna", language="en", description="Anna", engine="csm", fault="no words")
    engine = FakeEngine(voices=(anna, fake_voice("speaker_7")), fail_after=0)
    limits = Limits(upload_bytes=100_000)
    async with (
        doors(engine, voices=str(tmp_path / "v"), limits=limits) as both,
        opened(browser, f"{both.url}/#voices") as page,
    ):
        row, told = page.locator("[data-voice=anna]"), page.locator("#voices-problem")
        await row.get_by_text("Play").click()
        await expect(told).to_contain_text("told to fail")
        await row.get_by_text("Rename").click()
        await page.fill("dialog input", "speaker_7")
        await page.keyboard.press("Enter")
        await expect(told).to_contain_text("choose another")
        (tmp_path / "v" / "anna").rename(tmp_path / "elsewhere")
        await row.get_by_text("Delete").click()
        await page.get_by_role("dialog").get_by_text("Delete", exact=True).click()
        await expect(told).to_contain_text("There is no recorded voice 'anna'")
        assert await told.get_attribute("role") == "alert"

        await page.click("text=Make a voice")
        told = page.locator("#clip-problem")
        await drop(page, "bad.mp3", b"RIFF")
        await expect(told).to_contain_text("bad.mp3 is not a recording that can be read")
        await drop(page, "a.png", b"\x89PNG")
        await expect(told).to_contain_text("WAV, FLAC, OGG or MP3 serve")
        await drop(page, "a.wav", b"RIFF" * 50_000)
        await expect(told).to_contain_text("The file has 0.2 MB, and 0.1 MB are allowed")
        await page.fill("#clip-words", "Words.")
        await page.fill("#new-name", "b")
        await page.check("#consent")
        await page.click("#make-go")
        await expect(page.locator("#make-problem")).to_contain_text("There is no recording yet")


@pytest.mark.parametrize("place", ["loopback", "network"])
async def test_a_token_is_asked_for_and_remembered(
    browser: Browser, place: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("open-sesame\n")
    engine = FakeEngine(frames=3)
    http = HttpConfig(address="0.0.0.0:0", token_file=str(file))
    async with (
        doors(engine, http=http) as both,
        opened(browser, address(both, place)) as page,
    ):
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("wants its token")
        await dialog.get_by_label("Token").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(dialog).to_contain_text("That was not the token")
        await dialog.get_by_label("Token").fill("open-sesame")
        await page.keyboard.press("Enter")
        await expect(page.locator("#voice option")).not_to_have_count(0)
        await expect(dialog).to_have_count(0)
        await written(page, "One is.")
        await page.wait_for_function("() => ears.samples.length === 3 * 1920")
        await page.reload()
        await expect(page.locator("#voice option")).not_to_have_count(0)
        await expect(page.locator("#words-text")).to_have_text(
            "One is."
        )  # the last that it asks for
        await expect(page.locator("#version")).not_to_be_empty()
        await page.evaluate("sessionStorage.clear()")
        await page.click("nav >> text=Voices")
        await dialog.get_by_text("Cancel").click()
        await expect(page.locator("#voices-problem")).to_contain_text("wants its token")


async def test_the_status_says_who_speaks_and_why_not_the_others(
    browser: Browser, place: str
) -> None:
    away = FakeEngine("csm", status=Status(Phase.ABSENT, "no GPU is here: get one"))
    engine = FakeEngine("system", frames=3)
    engine.gpu_memory = GpuMemory(5_200_000_000, 24_000_000_000)
    async with doors(away, engine, http=EVERYWHERE, engines=("csm", "system")) as both:
        url = f"{address(both, place)}#status"
        async with opened(browser, url) as page:
            await expect(page.locator("#speaks")).to_have_text("System voice speaks.")
            await expect(page.locator("#status-known")).to_be_visible()
            rows = await page.locator(".engine").all_inner_texts()
            assert "No GPU is here: get one." in rows[0]
            assert "4 slots free, 5.2 of the GPU's 24.0 GB taken" in rows[1]
            assert "Left out by --light" in rows[2], "Coqui"
            await expect(page.locator("#no-replies")).to_be_visible()
            for _ in range(2):
                async with both.client.get("/api/text-to-speech?text=One+is.") as answer:
                    await answer.read()
            await page.reload()
            plot = page.get_by_role("img", name="First sound (TTFA) of the last 2 replies")
            await expect(plot.locator("circle")).to_have_count(2)
