"""Measures how soon the page is there: `script/bench page`, in Chromium, by playwright.

The server runs as users start it, with the system voice; each run opens the page on loopback in a
profile of its own, so that nothing of it is stored, and then loads it again. `first paint` is
Chromium's first-contentful-paint, from the beginning of the navigation. `busy`: the load of the
machine is above `--load`, and the run is not counted. Prints a table, then one line of JSON.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, async_playwright

from benchmarks.server import free_port, until_open
from benchmarks.server_overhead import report
from wyoming_csm import __version__

_FLAGS = ("--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking")
_TIMES = """() => {
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  const [page] = performance.getEntriesByType("navigation");
  const parts = performance.getEntriesByType("resource");
  return {
    paint: paint.startTime,
    document: page.responseEnd,
    style: parts.find(({ name }) => name.endsWith(".css"))?.responseEnd || 0,
    modules: Math.max(
      ...parts.map(({ name, responseEnd }) => (name.endsWith(".js") ? responseEnd : 0))),
    bytes: parts.reduce((sum, one) => sum + one.transferSize, page.transferSize),
  };
}"""


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--load", type=float, default=3.0, help="above it a run is not counted")
    parser.add_argument("--url", help="of a server that runs; else one is started")
    options = parser.parse_args()
    async with async_playwright() as playwright, address(options.url) as url:
        browser = await playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"), args=[*_FLAGS]
        )
        found = [await opened(browser, url) for _ in range(options.runs + 1)][1:]
        await browser.close()
    calm = [one for one in found if one["load"] <= options.load]
    if not calm:
        sys.exit(f"the machine's load was above {options.load} all the time")
    first = [one["paint"] for one in calm]
    report(
        {
            "version": __version__,
            "cores": os.cpu_count(),
            "runs": len(calm),
            "busy": len(found) - len(calm),
            "load": statistics.median(one["load"] for one in calm),
            "first_paint_ms_p50": statistics.median(first),
            "first_paint_ms_least": min(first),
            "first_paint_ms_most": max(first),
            "document_ms_p50": statistics.median(one["document"] for one in calm),
            "style_ms_p50": statistics.median(one["style"] for one in calm),
            "modules_ms_p50": statistics.median(one["modules"] for one in calm),
            "voices_ms_p50": statistics.median(one["voices"] for one in calm),
            "again_ms_p50": statistics.median(one["again"] for one in calm),
            "bytes": calm[0]["bytes"],
        }
    )


async def opened(browser: Browser, url: str) -> dict[str, float]:
    """Open the page as somebody who never saw it, and once more; what took how long, in ms."""
    load = os.getloadavg()[0]
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(url)
    await page.wait_for_selector("#version:not(:empty)", state="attached")
    found: dict[str, float] = await page.evaluate(_TIMES)
    found["voices"] = await filled(page)
    await page.reload()
    await page.wait_for_selector("#version:not(:empty)", state="attached")
    again = await page.evaluate(_TIMES)
    await context.close()
    return found | {"again": again["paint"], "load": load}


async def filled(page: Page) -> float:
    """When all that the page asks for at its beginning was there, in ms."""
    ended: float = await page.evaluate(
        "Math.max(...performance.getEntriesByType('resource').map((one) => one.responseEnd))"
    )
    return ended


@asynccontextmanager
async def address(given: str | None) -> AsyncGenerator[str]:
    """A server's address, until the block ends."""
    if given:
        yield given
        return
    port, http = free_port(), free_port()
    with tempfile.TemporaryDirectory() as name:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "wyoming_csm", "--light", "--no-zeroconf",
            "--uri", f"tcp://127.0.0.1:{port}", "--http", f"127.0.0.1:{http}",
            "--data-dir", f"{name}/data",
        )  # fmt: skip
        try:
            await until_open(http)
            yield f"http://127.0.0.1:{http}/"
        finally:
            process.terminate()
            await process.wait()


if __name__ == "__main__":
    asyncio.run(main())
