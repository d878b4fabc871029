"""Chromium, and a page of the door in it that must complain of nothing."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

for _name in ("playwright", "axe_playwright_python"):
    pytest.importorskip(_name, reason=f"{_name} is not installed: pip install '.[dev]'")

from playwright.async_api import (  # noqa: E402
    Browser,
    ConsoleMessage,
    Page,
    Request,
    Route,
    WebSocketRoute,
    async_playwright,
    expect,
)

from tests.server.http.doors import Doors  # noqa: E402

# Those that use it import nothing of playwright themselves: where it is not installed, they are
# skipped with the words above.
__all__ = (
    "DROP",
    "Browser",
    "Page",
    "Route",
    "WebSocketRoute",
    "address",
    "chromium",
    "expect",
    "opened",
)

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""
FLAGS = (
    *("--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--use-fake-device-for-media-stream",  # a microphone
)
MILLISECONDS = 30_000  # only a failing test waits so long; others share its processor
expect.set_options(timeout=MILLISECONDS)

# Notes each sample that is laid out to be played, and when the first that is no silence comes out.
EARS = """
window.ears = {samples: [], starts: [], seconds: 0, rate: 0, first: null};
const {start} = AudioBufferSourceNode.prototype;
AudioBufferSourceNode.prototype.start = function (when = 0) {
  ears.rate = this.context.sampleRate;
  ears.seconds += this.buffer.duration;
  ears.starts.push([when, this.buffer.length]);
  for (const one of this.buffer.getChannelData(0)) ears.samples.push(Math.round(one * 32768));
  return start.apply(this, arguments);
};
const {connect} = AudioNode.prototype;
AudioNode.prototype.connect = function (to, ...more) {
  if (to instanceof AudioDestinationNode && !(this instanceof ScriptProcessorNode)) {
    const meter = to.context.createScriptProcessor(256, 1, 1);
    meter.onaudioprocess = ({inputBuffer}) => {
      if (ears.first === null && inputBuffer.getChannelData(0).some((one) => one)) {
        ears.first = performance.timeOrigin + performance.now();
        ears.first += 1000 * (to.context.outputLatency || to.context.baseLatency || 0);
      }
    };
    connect.call(this, meter);
    connect.call(meter, to);
  }
  return connect.call(this, to, ...more);
};
"""
# Told of every answer that is an error, and of our ears.
_USUAL = ("Failed to load resource", "WebSocket connection to", "ScriptProcessorNode is deprecated")

# JavaScript: lets go of a file over the field for recordings.
DROP = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name));
  const drop = document.querySelector("#drop");
  drop.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true}));
}"""


@asynccontextmanager
async def chromium(microphone: Path) -> AsyncIterator[Browser]:
    """A browser whose microphone hears this file; the test is skipped where there is none."""
    if not CHROMIUM:
        pytest.skip("Chromium is not here: apt-get install chromium, or CHROMIUM=…")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[*FLAGS, f"--use-file-for-fake-audio-capture={microphone}"],
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened(browser: Browser, url: str, **more: Any) -> AsyncIterator[Page]:
    """The page of this address; it must fail nowhere, and ask nobody else for anything."""
    context = await browser.new_context(**more)
    faults: list[str] = []

    def asked(request: Request) -> None:
        if not request.url.startswith((url.split("#")[0], "blob:", "data:")):
            faults.append(f"it asked for {request.url}")

    def said(message: ConsoleMessage) -> None:
        usual = any(words in message.text for words in _USUAL)
        if message.type in ("error", "warning") and not usual:
            faults.append(message.text)

    page = await context.new_page()
    page.set_default_timeout(MILLISECONDS)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", said)
    page.on("request", asked)
    await page.add_init_script(EARS)
    try:
        await page.goto(url)
        yield page
    finally:
        await context.close()
    assert not faults, faults


def address(both: Doors, place: str) -> str:
    """The page's address from this machine, or as others see it."""
    if place == "loopback":
        return f"{both.url}/"
    if "127.0.0.1" in both.http.url:
        pytest.skip("this machine has no other address than loopback")
    return both.http.url
