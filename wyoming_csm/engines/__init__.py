"""Who speaks: engines as the server sees them. Never imports wyoming or torch."""
