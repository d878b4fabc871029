"""The door: Wyoming over TCP. Never imports torch."""
