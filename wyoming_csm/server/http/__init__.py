"""The HTTP door: OpenAI's API, our own, a page, health and metrics. Imported only where it is on."""
