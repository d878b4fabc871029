"""Coqui in its child: one model for each language, a sentence at a time."""
