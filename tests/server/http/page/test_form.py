"""What the page is like: below a path, on a phone, for all senses; small, and quickly there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import pytest
from aiohttp import ClientSession, WSMsgType, web

from tests.fakes import FakeEngine, fake_voice
from tests.server.clients import eventually
from tests.server.http.doors import doors
from tests.server.http.page.browser import Browser, address, expect, opened
from tests.server.http.page.test_speak import written
from tests.server.http.page.test_voices import dropped, put
from tests.server.http.test_voices import recording
from wyoming_csm.config import HttpConfig
from wyoming_csm.recordings import read_voice
from wyoming_csm.server.http.page import FOLDER
from wyoming_csm.voices import Voice

pytestmark = pytest.mark.asyncio(loop_scope="package")
EVERYWHERE = HttpConfig(address="0.0.0.0:0")
PREFIX = "/api/hassio_ingress/x1-_"
SECTIONS = ("speak", "voices", "make", "status")


@asynccontextmanager
async def ingress(url: str) -> AsyncIterator[str]:
    """What Home Assistant's Supervisor does: the address below which it passes all on."""

    async def live(request: web.Request, target: str) -> web.WebSocketResponse:
        protocols = request.headers["Sec-WebSocket-Protocol"].split(", ")
        near = web.WebSocketResponse(protocols=protocols)
        await near.prepare(request)
        async with client.ws_connect(target, protocols=protocols, headers=told(request)) as far:
            for _ in range(3):
                await far.send_str((await near.receive()).data)
            async for message in far:
                send = near.send_bytes if message.type is WSMsgType.BINARY else near.send_str
                await send(message.data)
        return near

    def told(request: web.Request) -> dict[str, str]:
        names = ("Origin", "Sec-Fetch-Site", "Content-Type")
        found = {name: request.headers[name] for name in names if name in request.headers}
        return found | {"X-Ingress-Path": PREFIX, "X-Forwarded-Host": request.host}

    async def on(request: web.Request) -> web.StreamResponse:
        target = url + str(request.rel_url).removeprefix(PREFIX)
        if "Upgrade" in request.headers:
            return await live(request, target)
        async with client.request(
            request.method, target, data=await request.read(), headers=told(request)
        ) as answer:
            kind = {"Content-Type": answer.headers["Content-Type"]}
            return web.Response(body=await answer.read(), status=answer.status, headers=kind)

    app = web.Application(client_max_size=10_000_000)
    app.router.add_route("*", PREFIX + "/{rest:.*}", on)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    async with ClientSession() as client:
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{PREFIX}/"
        await runner.cleanup()


async def test_it_works_below_a_path(browser: Browser, tmp_path: Path) -> None:
    http = HttpConfig(address="127.0.0.1:0", ingress=("127.0.0.1",))
    engine = FakeEngine(frames=3, voices=(fake_voice("anna"), fake_voice("berta")))
    async with (
        doors(engine, http=http, voices=str(tmp_path / "v")) as both,
        ingress(both.url) as url,
        opened(browser, url) as page,
    ):
        await written(page, "One is. 5 °C.")
        await page.wait_for_function("() => ears.samples.length === 2 * 3 * 1920")
        await expect(page.locator("#words-text")).to_have_text("One is. Five degrees Celsius.")
        await page.click("nav >> text=Voices")
        await expect(page.locator(".voice")).to_have_count(2)
        await page.click("text=Make a voice")
        await dropped(page, recording(), "a.wav")
        await page.fill("#clip-words", "To be.")
        await page.fill("#new-name", "carla")
        await page.check("#consent")
        await expect(page.locator("#verdict li")).to_have_count(3)
        await page.click("#make-go")
        await expect(page.locator("#made-title")).to_have_text("carla is saved")
        assert read_voice(tmp_path / "v" / "carla").clips[0].text == "To be."
        await page.click("nav >> text=Status")
        await expect(page.locator(".engine")).to_have_count(1)
        await page.click("text=For programs")
        await expect(page.locator("h1")).to_contain_text("wyoming-csm")
        assert page.url == f"{url}api/docs"


async def test_axe_finds_nothing(browser: Browser, tmp_path: Path) -> None:
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    put(tmp_path, "anna")
    anna = read_voice(tmp_path / "v" / "anna")
    many = Voice(name="b", language="en", description="", engine="coqui", speakers=("p1", "p2"))
    engine = FakeEngine("csm", voices=(anna, many))
    size = {"width": 360, "height": 740}
    async with (
        doors(engine, voices=str(tmp_path / "v")) as both,
        opened(browser, both.url + "/", color_scheme="light", viewport=size) as page,
    ):
        await page.evaluate(axe)
        await written(page, "It is 5 °C. [pause 1s] Two is.")
        await page.select_option("#voice", "b")
        await expect(page.locator("#speaker")).to_be_visible()
        await expect(page.locator("#words-text mark")).to_have_count(1)
        await expect(page.locator("#go")).to_have_text("Speak")
        for section in (*SECTIONS, "dialog"):
            if section == "dialog":
                await page.click("nav >> text=Voices")
                await page.click("text=Delete")
            else:
                await page.evaluate(f"location.hash = '{section}'")
                await expect(page.locator(f"#{section}")).to_be_visible()
            if section == "make":
                await dropped(page, recording(), "a.wav")
                await expect(page.locator("#verdict li")).to_have_count(3)
                await page.evaluate("document.querySelector('#clip-problem').hidden = false")
            if section == "status":
                await expect(page.locator("svg")).not_to_have_count(0)
            found = await page.evaluate("axe.run()")
            await page.emulate_media(color_scheme="dark")
            dark = await page.evaluate("axe.run({runOnly: ['color-contrast']})")
            await page.emulate_media(color_scheme="light")
            violations = found["violations"] + dark["violations"]
            assert not [(one["id"], one["nodes"][0]["html"]) for one in violations], section
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_keys_are_enough(browser: Browser, place: str, tmp_path: Path) -> None:
    put(tmp_path, "anna")
    engine = FakeEngine("csm", voices=(read_voice(tmp_path / "v" / "anna"),), frames=3)
    async with (
        doors(engine, http=EVERYWHERE, voices=str(tmp_path / "v")) as both,
        opened(browser, address(both, place)) as page,
    ):
        await expect(page.locator("#voice option")).not_to_have_count(0)
        seen = []
        for _ in range(9):
            await page.keyboard.press("Tab")
            seen.append(await page.evaluate(
                "document.activeElement.id || document.activeElement.innerText"
            ))  # fmt: skip
        assert seen == [
            *(
                "To the content",
                "wyoming-csm",
                "Speak",
                "Voices",
                "Status",
                "text",
                "voice",
                "speed",
                "go",
            )
        ]
        await page.focus("#text")
        await page.keyboard.type("One is.")
        await page.keyboard.press("Control+Enter")
        await eventually(lambda: engine.asked == ["One is."])
        await page.evaluate("location.hash = 'voices'")
        button = page.locator("[data-voice=anna]").get_by_text("Delete")
        await button.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(button).to_be_focused()


async def test_pauses_say_nothing_of_how_loud_a_recording_is(browser: Browser) -> None:
    soft = "very soft: go nearer to the microphone"
    told: list[tuple[list[float], str]] = [
        ([0.3] * 50, "good"),
        ([1.0] * 3 + [0.3] * 47, "too loud: it is distorted"),
        ([0.004] * 95 + [1.0] * 5, "too loud: it is distorted"),
        ([0.0] * 95 + [0.3] * 5, "good"),
        ([0.004] * 95 + [0.3] * 5, "good"),
        ([0.0] * 95 + [0.02] * 5, soft),
        ([0.005] * 50, soft),
        ([0.02] * 98 + [0.5] * 2, soft),
        ([0.0005] * 50, "nothing is heard"),
        ([], "nothing is heard"),
    ]
    judge = "async (peaks) => (await import('./page/sound.js')).loudness(peaks)"
    async with (
        doors(FakeEngine()) as both,
        opened(browser, address(both, "loopback")) as page,
    ):
        for peaks, words in told:
            found = await page.evaluate(judge, peaks)
            assert found == {"good": words == "good", "words": words}


async def test_it_is_small_and_soon_there(browser: Browser, place: str) -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 200_000
    async with (
        doors(FakeEngine(), http=EVERYWHERE) as both,
        opened(browser, address(both, place)) as page,
    ):
        await expect(page.locator("#version")).not_to_be_empty()
        painted = await page.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )
        loaded = await page.evaluate(
            "performance.getEntriesByType('resource').reduce((sum, one) => sum + one.transferSize,"
            " performance.getEntriesByType('navigation')[0].transferSize)"
        )
        print(f"{place}: painted after {painted:.0f} ms, {loaded} bytes")
        assert 10_000 < loaded <= 200_000
