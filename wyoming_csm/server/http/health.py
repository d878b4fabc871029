"""Whether the server lives and can speak, and what it counts."""

from http import HTTPStatus
from typing import get_args

import msgspec
from aiohttp import web

from wyoming_csm import __version__
from wyoming_csm.config import EngineName
from wyoming_csm.engines.base import ABLE, Engine, Phase
from wyoming_csm.server.http.house import house_of
from wyoming_csm.server.http.metrics import Reply
from wyoming_csm.server.http.problems import RETRY_SECONDS, Refused
from wyoming_csm.server.http.respond import json_answer
from wyoming_csm.worker.protocol import GpuMemory

_LEFT_OUT = "left out by --light or `engines`"
_FAILED = (Phase.STALLED, Phase.RESTING)  # its child is silent, or died five times on end


class EngineHealth(msgspec.Struct, frozen=True):
    """An engine's phase, and the reason and the cure if it cannot speak."""

    name: str
    phase: str
    detail: str


class Health(msgspec.Struct, frozen=True):
    """The server answers, and not every engine's process hangs or has failed again and again
    (`live`); an engine can speak, and the server is not ending (`ready`)."""

    live: bool
    ready: bool
    engines: list[EngineHealth]


class EngineStatus(msgspec.Struct, frozen=True):
    """An engine's phase, its free slots, how many sentences wait for one, and bytes of its GPU's
    memory (null where it has no GPU, or is not loaded)."""

    name: str
    phase: str
    detail: str
    free: int
    queue: int
    gpu_memory: GpuMemory | None


class CacheCounts(msgspec.Struct, frozen=True):
    """How many sentences were looked for among the stored ones since the start, and found."""

    lookups: int
    hits: int


class State(msgspec.Struct, frozen=True):
    """What the page shows of the server; `left_out` says by name why engines are not among
    these, `speaks` says which engine does now, or why none can,
    `transcribes` whether a speech-to-text server is configured, `upload_bytes` how large a
    recording may be."""

    version: str
    speaks: str
    engines: list[EngineStatus]
    left_out: dict[str, str]
    cache: CacheCounts
    replies: list[Reply]
    text_characters: int
    transcribes: bool
    upload_bytes: int


async def health(request: web.Request) -> web.Response:
    """Answer GET /health: 200, or 503 while no engine can speak, or the server ends;
    `?engine=csm`: while that one cannot."""
    found = _health(request)
    return _answer(found, found.ready)


async def live(request: web.Request) -> web.Response:
    """Answer GET /health/live: 200, or 503 where starting the server anew may help; with
    `?engine=csm` for that one."""
    found = _health(request)
    return _answer(found, found.live)


def _health(request: web.Request) -> Health:
    """Return that of all engines, or of the one that is asked for. Raises Refused."""
    engines = house_of(request).engines
    if (name := request.query.get("engine")) is not None:
        engines = [engine for engine in engines if engine.name == name]
        if not engines:
            raise Refused(HTTPStatus.NOT_FOUND, f"there is no engine {name[:100]!a} here")
    phases = [engine.status.phase for engine in engines]
    ready = any(phase in ABLE for phase in phases)
    live = ready or any(phase not in _FAILED for phase in phases)
    ending = house_of(request).ending.is_set()
    return Health(live, ready and not ending, [EngineHealth(*_where(engine)) for engine in engines])


def _answer(body: Health, well: bool) -> web.Response:
    answer = json_answer(body, HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE)
    if not well:
        answer.headers["Retry-After"] = str(RETRY_SECONDS)
    return answer


async def state(request: web.Request) -> web.Response:
    """Answer GET /api/status."""
    house = house_of(request)
    engines = [
        EngineStatus(*_where(one), max(0, one.load.free), max(0, -one.load.free), one.gpu_memory)
        for one in house.engines
    ]
    status, names = house.answers.engine.status, house.config.engines
    speaks = status.detail or status.phase.value
    return json_answer(
        State(
            __version__,
            speaks,
            engines,
            {name: _LEFT_OUT for name in get_args(EngineName) if name not in names},
            CacheCounts(house.metrics.lookups, house.metrics.hits),
            list(house.metrics.recent),
            house.config.limits.text_characters,
            house.config.http.asr is not None,
            house.config.limits.upload_bytes,
        )
    )


async def metrics(request: web.Request) -> web.Response:
    """Answer GET /metrics, in Prometheus' text format."""
    return web.Response(
        body=house_of(request).metrics.text(),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )


def _where(engine: Engine) -> tuple[str, str, str]:
    status = engine.status
    return engine.title, status.phase.value, status.detail
