"""What becomes of an engine's sound before a listener gets it: its ends, its loudness, its pace."""
