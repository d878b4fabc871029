"""What all routes of the HTTP door have in common."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aiohttp import web

from wyoming_csm.answer import AnswerContext
from wyoming_csm.config import Config
from wyoming_csm.engines.base import Engine
from wyoming_csm.engines.looks import Looks
from wyoming_csm.server.http.guard import Guard
from wyoming_csm.server.http.judging import Judging
from wyoming_csm.server.http.metrics import Metrics
from wyoming_csm.server.rate_limited_log import RateLimitedLog
from wyoming_csm.voice_folders import without_engine
from wyoming_csm.voices import Voice

CHANGE_SECONDS = 30.0  # for one of the folders of voices or speakers


@dataclass(frozen=True)
class House:
    """The configuration, who speaks, and what is counted of it.

    `look_again` reads the folders of voices anew, so that a change counts at once; `changes` makes
    these, on a disk that may not answer. `encoding` has the threads in which sound is encoded,
    `judging` those that recordings are judged from. `ending` is set as soon as the server ends:
    what is asked for now is the last on its connection.
    """

    config: Config
    answers: AnswerContext
    engines: Sequence[Engine]
    look_again: Callable[[], Awaitable[None]]
    guard: Guard
    metrics: Metrics
    encoding: Executor
    judging: Judging
    log: RateLimitedLog
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    changes: Looks = field(default_factory=lambda: Looks(CHANGE_SECONDS))

    async def voices_without_engine(self) -> list[Voice]:
        """Return the recorded voices that nobody speaks with here."""
        folder, look = Path(self.config.voices), partial(without_engine, self.config)
        return await self.answers.engine.looks.last(folder, "without engine", look) or []


HOUSE = web.AppKey("house", House)


def house_of(request: web.Request) -> House:
    """Return what the route of this request works with."""
    return request.app[HOUSE]
