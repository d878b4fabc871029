"""The server: Wyoming over TCP. Never imports torch."""
