"""OpenAI's API for speech: what its clients send, and what they expect back."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from wyoming_csm.audio import SAMPLE_WIDTH, SAMPLES_PER_FRAME
from wyoming_csm.server.http.bodies import Name, read_json
from wyoming_csm.server.http.encode import MIME, Format, encoder_of
from wyoming_csm.server.http.house import house_of
from wyoming_csm.server.http.problems import Refused
from wyoming_csm.server.http.respond import (
    Done,
    Usage,
    as_events,
    encoded,
    farewell_event,
    json_answer,
    stream,
)
from wyoming_csm.server.http.speak import speak, whole_text
from wyoming_csm.server.info import PROGRAM
from wyoming_csm.text.pieces import FASTEST, SLOWEST
from wyoming_csm.voice_choice import VoiceRequest, default_first


class VoiceId(msgspec.Struct, frozen=True):
    """A voice by its name, as OpenAI writes those that a user made."""

    id: Name


class SpeechRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A text to speak. `model` is ignored, and so are `instructions`, with a warning."""

    input: Annotated[str, Meta(min_length=1)]
    model: Name | UnsetType = UNSET
    voice: Name | VoiceId | UnsetType = UNSET
    instructions: str | None = None
    response_format: Format = "mp3"
    speed: Annotated[float, Meta(ge=SLOWEST, le=FASTEST)] = 1.0
    stream_format: Literal["audio", "sse"] = "audio"


class Model(msgspec.Struct, frozen=True):
    """The one model that there is."""

    id: str
    created: int
    object: str = "model"
    owned_by: str = PROGRAM


class Models(msgspec.Struct, frozen=True):
    """The list of models."""

    data: list[Model]
    object: str = "list"


class ListedVoice(msgspec.Struct, frozen=True):
    """A voice: `id` is what a request names."""

    id: str
    name: str
    language: str
    description: str


class ListedVoices(msgspec.Struct, frozen=True):
    """The list of voices, the default one first."""

    voices: list[ListedVoice]


async def speech(request: web.Request) -> web.StreamResponse:
    """Answer POST /v1/audio/speech."""
    house = house_of(request)
    wish = await read_json(request, SpeechRequest)
    text = whole_text(house, wish.input, "input")
    warnings = (
        ("instructions are ignored: a voice sounds as its clip",) if wish.instructions else ()
    )
    spoken = await speak(request, text, _voice_of(wish), speed=wish.speed, warnings=warnings)
    loop = asyncio.get_running_loop()  # in a thread: the first time libraries are loaded
    encoder = await loop.run_in_executor(house.encoding, encoder_of, wish.response_format)
    if wish.stream_format == "audio":
        headers = {"Content-Type": MIME[wish.response_format], **spoken.headers}
        data = encoded(spoken.sound, encoder, house.encoding)
        return await stream(request, data, headers)
    headers = {"Content-Type": "text/event-stream", **spoken.headers}
    done = Done(Usage(len(wish.input), 0, 0))

    async def counted() -> AsyncGenerator[bytes]:
        samples = 0
        async with aclosing(spoken.sound):
            async for pcm in spoken.sound:
                samples += len(pcm) // SAMPLE_WIDTH
                yield pcm
        frames = round(samples / SAMPLES_PER_FRAME)
        done.usage = Usage(len(wish.input), frames, len(wish.input) + frames)

    return await stream(
        request,
        as_events(encoded(counted(), encoder, house.encoding), done),
        headers,
        farewell_event,
    )


async def models(_request: web.Request) -> web.Response:
    """Answer GET /v1/models."""
    return json_answer(Models([Model(PROGRAM, 0)]))


async def model(request: web.Request) -> web.Response:
    """Answer GET /v1/models/NAME."""
    if (name := request.match_info["name"]) != PROGRAM:
        raise Refused(
            HTTPStatus.NOT_FOUND, f"there is no model {name[:100]!r}: the one here is {PROGRAM}"
        )
    return json_answer(Model(PROGRAM, 0))


async def voices(request: web.Request) -> web.Response:
    """Answer GET /v1/audio/voices."""
    house = house_of(request)
    found = default_first(house.answers.engine.voices, house.config)
    listed = [ListedVoice(v.name, v.name, v.language, v.description.strip()) for v in found]
    return json_answer(ListedVoices(listed))


def _voice_of(wish: SpeechRequest) -> VoiceRequest:
    if isinstance(wish.voice, UnsetType):
        return VoiceRequest()
    name = wish.voice if isinstance(wish.voice, str) else wish.voice.id
    return VoiceRequest(name=name or None)
