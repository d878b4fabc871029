"""Greek letters that stand alone, as in "angle β": their names in each language."""

import re
from collections.abc import Mapping
from functools import lru_cache

_LETTERS = "αβγδεζηθικλμνξοπρστυφχψω"
_NAMES = {
    "en": "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho"
    " sigma tau upsilon phi chi psi omega",
    "de": "Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa Lambda My Ny Xi Omikron Pi Rho"
    " Sigma Tau Ypsilon Phi Chi Psi Omega",
    "fr": "alpha bêta gamma delta epsilon zêta êta thêta iota kappa lambda mu nu xi omicron pi rhô"
    " sigma tau upsilon phi khi psi oméga",
    "es": "alfa beta gamma delta épsilon zeta eta theta iota kappa lambda mu nu xi ómicron pi ro"
    " sigma tau ípsilon fi ji psi omega",
    "it": "alfa beta gamma delta epsilon zeta eta theta iota kappa lambda mi ni xi omicron pi rho"
    " sigma tau ipsilon fi chi psi omega",
    "nl": "alfa bèta gamma delta epsilon zèta èta thèta jota kappa lambda mu nu xi omikron pi rho"
    " sigma tau ypsilon phi chi psi omega",
}
_WORD = re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]{2}")


def greek_names(language: str) -> Mapping[str, str]:
    """Return the name of each letter, small and large."""
    names = dict(zip(_LETTERS, _NAMES[language[:2]].split(), strict=True))
    return names | {letter.upper(): name for letter, name in names.items()}


@lru_cache(maxsize=8)
def is_greek(text: str) -> bool:
    """Return whether a text has a Greek word: single letters are words beside it."""
    return _WORD.search(text) is not None
