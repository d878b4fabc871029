"""Engines as the server sees them, and which of them speaks. Never imports wyoming or torch."""
