"""All routes of the HTTP door."""

from aiohttp import web

from wyoming_csm.server.http import (
    api,
    convert,
    docs,
    health,
    live,
    openai_speech,
    openapi,
    page,
    voices,
    words,
)

ROUTES = (
    web.get("/", page.index),
    web.get("/page/{name:[A-Za-z0-9_./-]+}", page.part),
    web.post("/v1/audio/speech", openai_speech.speech),
    web.get("/v1/audio/voices", openai_speech.voices),
    web.get("/v1/models", openai_speech.models),
    web.get("/v1/models/{name}", openai_speech.model),
    web.post("/api/generate", api.generate),
    web.get("/api/text-to-speech", api.text_to_speech, allow_head=False),
    web.post("/api/text-to-speech", api.text_to_speech),
    web.get("/api/stream", live.live, allow_head=False),
    web.post("/api/convert", convert.convert),
    web.post("/api/words", words.words),
    web.get("/api/voices", voices.listed),
    web.post("/api/voices/{name}", voices.made),
    web.delete("/api/voices/{name}", voices.removed),
    web.post("/api/voices/{name}/rename", voices.renamed),
    web.post("/api/voices/{name}/reroll", voices.rerolled),
    web.post("/api/clips/judge", voices.judged),
    web.post("/api/clips/transcribe", voices.transcribed),
    web.get("/api/status", health.state),
    web.get("/api/openapi.json", openapi.openapi),
    web.get("/api/docs", docs.docs),
    web.get("/health", health.health),
    web.get("/health/live", health.live),
    web.get("/metrics", health.metrics),
)
