"""The HTTP door: OpenAI's API, our own, a page, health, metrics. Imported where it is on."""
