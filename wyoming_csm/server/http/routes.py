"""All routes of the HTTP door."""

from aiohttp import web

from wyoming_csm.server.http import api, health, live, openai_speech

ROUTES = (
    web.post("/v1/audio/speech", openai_speech.speech),
    web.get("/v1/audio/voices", openai_speech.voices),
    web.get("/v1/models", openai_speech.models),
    web.post("/api/generate", api.generate),
    web.get("/api/text-to-speech", api.text_to_speech, allow_head=False),
    web.post("/api/text-to-speech", api.text_to_speech),
    web.get("/api/stream", live.live, allow_head=False),
    web.get("/health", health.health),
    web.get("/metrics", health.metrics),
    web.get("/api/status", health.state),
)
