"""What a Coqui model says to nobody before it is ready: its first listener would wait for that.

A first sentence loads what later ones use, and so does the first number, time or amount (coqui-tts
spells them out with a library that takes over a second to import), and the first text in the
letters of a language.
"""

_WORDS = {
    "ar": "مرحبا",
    "be": "Прывітанне",
    "bg": "Здравей",
    "bn": "হ্যালো",
    "el": "Γεια σας",
    "fa": "سلام",
    "hi": "नमस्ते",
    "ja": "こんにちは",
    "ko": "안녕하세요",
    "ru": "Привет",
    "uk": "Привіт",
    "zh": "你好",
}
_LATIN = "Hallo"  # where nothing depends on the word


def to_read(language: str) -> str:
    """A text with one of each kind, to be turned into letters or phonemes only."""
    return f"{_word(language)} 7:45 pm, 21.5, 2nd, $12.50, £1,000, -3, 2026, 100 %, 20 °C."


def to_say(language: str) -> str:
    """A short sentence with a number."""
    return f"{_word(language)}, {_word(language)}, 7:45, 21."


def _word(language: str) -> str:
    return _WORDS.get(language.replace("_", "-").partition("-")[0].lower(), _LATIN)
