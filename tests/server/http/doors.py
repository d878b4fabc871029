"""What the tests of the HTTP door connect with: both doors over the same engines."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from aiohttp import ClientSession

from tests.fakes import AS_MADE
from wyoming_csm.answer import AnswerContext
from wyoming_csm.config import Config, HttpConfig
from wyoming_csm.engines.base import Engine
from wyoming_csm.engines.fallback import Fallback
from wyoming_csm.server.admission import Admission
from wyoming_csm.server.http.door import HttpDoor
from wyoming_csm.server.listener import Server


@dataclass
class Doors:
    """Both doors, and a client whose addresses begin at the HTTP one."""

    http: HttpDoor
    wyoming: Server
    client: ClientSession
    looked: list[str] = field(default_factory=list)  # at the voices, again

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.port}"


@asynccontextmanager
async def doors(*engines: Engine, **more: Any) -> AsyncIterator[Doors]:
    """Doors for these engines; `more` are settings. Sound comes as it is made without them."""
    settings = {
        "uri": "tcp://127.0.0.1:0",
        "http": HttpConfig(address="127.0.0.1:0"),
        "sound": AS_MADE,
    } | more
    config = msgspec.structs.replace(Config(), **settings)
    engine = Fallback(engines, presets=config.presets)
    context = AnswerContext.of(config, engine)
    looked: list[str] = []

    async def look_again() -> None:
        looked.append("")

    admission = Admission(config.limits, config.balancer.proxies)
    http = HttpDoor(config, context, engines, look_again, admission)
    async with (
        Server(config, replace(context, tell=http.tell), admission) as wyoming,
        http,
        ClientSession(f"http://127.0.0.1:{http.port}") as client,
    ):
        yield Doors(http, wyoming, client, looked)
