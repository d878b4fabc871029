"""Text to speech over the Wyoming protocol with CSM-1B."""

__version__ = "0.1.0"
