"""How sentences are read aloud."""
