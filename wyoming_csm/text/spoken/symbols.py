"""Arrows, check marks, stars and signs of music: no emoji, and words in every language."""

from collections.abc import Mapping

SYMBOLS = "↑↓↔✓✗★♯♭"
ALIKE = {"✔": "✓", "✘": "✗"}
_NAMES = {
    "en": "up|down|and|yes|no|star|sharp|flat",
    "de": "nach oben|nach unten|und|ja|nein|Stern|Kreuz|B",
    "fr": "vers le haut|vers le bas|et|oui|non|étoile|dièse|bémol",
    "es": "arriba|abajo|y|sí|no|estrella|sostenido|bemol",
    "it": "su|giù|e|sì|no|stella|diesis|bemolle",
    "nl": "omhoog|omlaag|en|ja|nee|ster|kruis|mol",
}
_STARS = {
    "en": "stars", "de": "Sterne", "fr": "étoiles", "es": "estrellas", "it": "stelle",
    "nl": "sterren",
}  # fmt: skip


def symbol_names(language: str) -> Mapping[str, str]:
    """Return the word of each symbol."""
    names = dict(zip(SYMBOLS, _NAMES[language[:2]].split("|"), strict=True))
    return names | {sign: names[other] for sign, other in ALIKE.items()}


def stars(language: str) -> str:
    """Return the word for several stars."""
    return _STARS[language[:2]]
