"""One browser for all tests of the page."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import soundfile

from tests.test_mending import speech

if TYPE_CHECKING:
    from tests.server.http.page.browser import Browser


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> "AsyncIterator[Browser]":
    """A browser whose microphone hears a person, eight seconds again and again."""
    from tests.server.http.page.browser import chromium  # modules say so where it is missing

    microphone = tmp_path_factory.mktemp("microphone") / "speech.wav"
    soundfile.write(microphone, speech(8.0), 48_000 // 2)
    async with chromium(microphone) as found:
        yield found


@pytest.fixture(params=["loopback", pytest.param("network", marks=pytest.mark.weekly)])
def place(request: pytest.FixtureRequest) -> str:
    """Where the page is opened: loopback is a secure context, an address of a network is none.
    Those tests in which the page does something else there have both each time."""
    where: str = request.param
    return where
