"""The OpenAPI document: the routes by hand, the forms of JSON from the types that read them."""

from typing import Any

import msgspec
from aiohttp import web

from wyoming_csm import __version__
from wyoming_csm.server.http import (
    api,
    convert,
    health,
    live,
    openai_speech,
    problems,
    voices,
    words,
)
from wyoming_csm.server.http.encode import MIME
from wyoming_csm.server.http.house import house_of
from wyoming_csm.server.http.respond import json_answer
from wyoming_csm.server.http.uploads import KINDS

_Schema = dict[str, Any]

_FORMS = (
    openai_speech.SpeechRequest, openai_speech.Models, openai_speech.Model,
    openai_speech.ListedVoices,
    api.GenerateRequest, api.Generated, health.Health, health.State,
    voices.VoiceEntries, voices.NewName, voices.Changed, voices.Judged, voices.Transcript,
    words.WordsRequest, words.Words, problems.Problem,
    live.Start, live.Text, live.End, live.Started, live.Warned, live.Ended,
    live.Failed,
)  # fmt: skip
_SOUND: _Schema = {"type": "string", "format": "binary"}
_EVENT: _Schema = {"type": "object", "properties": {"data": {"type": "string"}}}
_REASONS = {
    400: "What was sent is wrong: the message says what",
    401: "The token is missing (http.token_file)",
    403: "A page of another server asks, or under a name that is not this server's",
    404: "There is no such voice, or model",
    408: "The body came too slowly",
    409: "There is a voice of this name, or no speech-to-text server is configured",
    413: "The body is too large",
    415: "The body is of a kind that is not taken, or compressed",
    500: "The server cannot change its own files, or is at fault: the message or its log says why",
    502: "The speech-to-text server cannot be reached, or does not answer as one",
    503: "Too much is asked for at once, or no engine can speak: ask again after Retry-After",
    504: "The speech-to-text server gave no answer in time",
    507: "The server's disk is full",
}
_ALWAYS = (400, 401, 403, 503)
_BODY = (408, 413, 415, 507)
_CHANGING = (500, 507)  # what the server has stored
_NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1},
}


async def openapi(request: web.Request) -> web.Response:
    """Answer GET /api/openapi.json."""
    return json_answer(document(house_of(request).guard.prefix(request)))


def document(prefix: str = "") -> _Schema:
    """Return the document, for a server below a path."""
    _, schemas = msgspec.json.schema_components(_FORMS, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "wyoming-csm",
            "version": __version__,
            "description": "Text to speech. Texts are neither stored nor logged.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": prefix or "/"}],
        "security": [{}, {"token": []}],
        "paths": _paths(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths() -> _Schema:
    sounds = dict.fromkeys(sorted(set(MIME.values())), _SOUND)
    wav = {"audio/wav": _SOUND}
    queries = [
        _query("voice", "A voice's name"),
        _query("language", "Where no voice is named: de, en-GB"),
        _query("speaker", "Of a voice that has several"),
    ]
    return {
        "/v1/audio/speech": {
            "post": _operation(
                "OpenAI's speech: streamed while it is made",
                {200: ("The sound", sounds | {"text/event-stream": _EVENT})},
                body=_json(openai_speech.SpeechRequest),
            )
        },
        "/v1/audio/voices": _get("All voices", openai_speech.ListedVoices),
        "/v1/models": _get("The one model", openai_speech.Models),
        "/v1/models/{name}": {
            "get": _operation(
                "The one model, if this is its name",
                {200: ("The model", _json(openai_speech.Model))},
                parameters=[_NAME],
                errors=(404,),
            )
        },
        "/api/generate": {
            "post": _operation(
                "A text to a WAV file within JSON",
                {200: ("The file", _json(api.Generated))},
                body=_json(api.GenerateRequest),
            )
        },
        "/api/text-to-speech": {
            "get": _operation(
                "A text to a WAV file",
                {200: ("The file", wav)},
                parameters=[_query("text", "What is spoken", required=True), *queries],
            ),
            "post": _operation(
                "A text to a WAV file",
                {200: ("The file", wav)},
                parameters=queries,
                body={"text/plain": {"type": "string", "minLength": 1}},
            ),
        },
        "/api/stream": {
            "get": _operation(
                "A WebSocket: JSON messages (start, text, end) in; JSON (start, warning, end,"
                " error) and binary ones (24 kHz mono s16le) out",
                {101: ("The WebSocket", {})},
            )
        },
        "/api/convert": {
            "post": _operation(
                "Sound that was spoken here to another format: a WAV file of 24 kHz, mono, 16 bits",
                {200: ("The same sound", sounds)},
                parameters=[_query("format", "mp3, if it is left out", among=tuple(MIME))],
                body=dict.fromkeys(convert.KINDS, _SOUND),
            )
        },
        "/api/words": {
            "post": _operation(
                "What would be spoken of a text, in words, and why",
                {200: ("The words", _json(words.Words))},
                body=_json(words.WordsRequest),
            )
        },
        "/api/voices": _get("All voices, with their kinds and faults", voices.VoiceEntries),
        "/api/voices/{name}": {
            "post": _operation(
                "Make a voice of a recording",
                {201: ("It is there", _json(voices.Changed))},
                parameters=[_NAME],
                body=_recording("text", "language", "replace"),
                errors=(409, *_CHANGING),
            ),
            "delete": _operation(
                "Take a recorded voice away",
                {200: ("It is gone", _json(voices.Changed))},
                parameters=[_NAME],
                errors=(404, *_CHANGING),
            ),
        },
        "/api/voices/{name}/rename": {
            "post": _operation(
                "Give a recorded voice another name",
                {200: ("It has that name", _json(voices.Changed))},
                parameters=[_NAME],
                body=_json(voices.NewName),
                errors=(404, 409, *_CHANGING),
            )
        },
        "/api/voices/{name}/reroll": {
            "post": _operation(
                "Let a speaker without a recording get another voice",
                {200: ("It has one from its next sentences on", _json(voices.Changed))},
                parameters=[_NAME],
                errors=(404, 415, *_CHANGING),
            )
        },
        "/api/clips/judge": {
            "post": _operation(
                "Judge a recording: its length, level and noise",
                {200: ("What is to be said of it", _json(voices.Judged))},
                body=_recording(),
            )
        },
        "/api/clips/transcribe": {
            "post": _operation(
                "Ask the configured speech-to-text server for the words of a recording",
                {200: ("The words", _json(voices.Transcript))},
                body=_recording("language"),
                errors=(409, 502, 504),
            )
        },
        "/api/status": _get("Engines, slots, and the last replies in numbers", health.State),
        "/health": _health("Whether the server lives, and can speak"),
        "/health/live": _health("Whether the server lives, and no engine needs it started anew"),
        "/metrics": {
            "get": _operation(
                "Counts for Prometheus",
                {200: ("The counts", {"text/plain": {"type": "string"}})},
            )
        },
    }


def _get(summary: str, form: type) -> _Schema:
    return {"get": _operation(summary, {200: (summary, _json(form))})}


def _health(summary: str) -> _Schema:
    found = _operation(
        summary,
        {200: (summary, _json(health.Health))},
        parameters=[_query("engine", "Of this one alone: csm, coqui, system")],
        errors=(404,),
    )
    either = {"anyOf": [_ref(health.Health), _ref(problems.Problem)]}
    found["responses"]["503"]["content"] = {"application/json": {"schema": either}}
    return {"get": found}


def _operation(
    summary: str,
    answers: dict[int, tuple[str, _Schema]],
    *,
    parameters: list[_Schema] | None = None,
    body: _Schema | None = None,
    errors: tuple[int, ...] = (),
) -> _Schema:
    """Return an operation; `body` and what answers hold are schemas by kind of content."""
    found: _Schema = {"summary": summary, "responses": {}}
    if parameters:
        found["parameters"] = parameters
    if body:
        found["requestBody"] = {"required": True, "content": _content(body)}
        errors = (*errors, *_BODY)
    for status, (meaning, content) in answers.items():
        found["responses"][str(status)] = {"description": meaning}
        if content:
            found["responses"][str(status)]["content"] = _content(content)
    for status in sorted({*_ALWAYS, *errors}):
        found["responses"][str(status)] = {
            "description": _REASONS[status],
            "content": _content(_json(problems.Problem)),
        }
    return found


def _content(schemas: _Schema) -> _Schema:
    return {kind: {"schema": schema} for kind, schema in schemas.items()}


def _json(form: type) -> _Schema:
    return {"application/json": _ref(form)}


def _ref(form: type) -> _Schema:
    return {"$ref": f"#/components/schemas/{form.__name__}"}


def _query(
    name: str, description: str, *, required: bool = False, among: tuple[str, ...] = ()
) -> _Schema:
    schema: _Schema = {"type": "string"}
    if required:
        schema["minLength"] = 1
    if among:
        schema["enum"] = list(among)
    return {
        "name": name, "in": "query", "required": required, "description": description,
        "schema": schema,
    }  # fmt: skip


def _recording(*fields: str) -> _Schema:
    properties: _Schema = {"clip": _SOUND} | {name: {"type": "string"} for name in fields}
    required = ["clip", *(name for name in fields if name == "text")]
    form = {"type": "object", "properties": properties, "required": required}
    return {"multipart/form-data": form} | dict.fromkeys(KINDS, _SOUND)
