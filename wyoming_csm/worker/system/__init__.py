"""The system voice in its child process."""
