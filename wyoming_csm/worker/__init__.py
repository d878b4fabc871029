"""What runs in an engine's child process."""
