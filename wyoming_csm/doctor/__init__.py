"""`wyoming-csm doctor`: what this machine has and lacks for speaking, a line each, with cures."""
