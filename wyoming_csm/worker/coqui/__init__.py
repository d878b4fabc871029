"""Coqui in its child process."""
