"""The system voice in its child: Pico, eSpeak NG, or what the platform brings."""
