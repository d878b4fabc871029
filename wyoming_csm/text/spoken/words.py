"""What the rules must know of a language: its number words, names and the words for signs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from wyoming_csm.text.spoken.greek import greek_names
from wyoming_csm.text.spoken.symbols import symbol_names

# "3° piano", but "21°" and "5° con vento": the degree sign in place of º.
DEGREE_AS_ORDINAL = (
    r"(?<!\d\d)°(?= (?!(?:con|e|y|en|in|di|de|a|da|al|per|por|ma|pero|ora|ahora)\b)[a-zà-ù]{3})"
    r"|°(?= (?:piano|posto|compleanno|anniversario|giorno|secolo|piso|puesto|aniversario)\b)"
)
# Signs that are said as others, where a language has no words of its own for them.
_ALIKE = {"∼": "~", "∆": "Δ", "Ø": "∅", "⋅": "×", "·": "×", "*": "×"}  # noqa: RUF001


@dataclass(frozen=True)
class Currency:
    """Names for one and for several, of the whole and of its hundredths."""

    one: str
    several: str
    cent: str = ""
    cents: str = ""


@dataclass(frozen=True, eq=False)
class Words:
    """One language.

    Genders are "" (counting, no noun follows), "m" and "f". An ordinal's ending is what stood after
    the number ("st", "ª", "er"), or the word before it in German.
    """

    language: str
    cardinal: Callable[[int, str], str]
    ordinal: Callable[[int, str], str]
    fraction: Callable[[int, int], str]
    """Takes numerator and denominator."""
    mixed: Callable[[int, str], str]
    """Takes a whole number and the words of the fraction after it."""
    clock: Callable[[int, int], str]
    """Takes hour and minute."""
    date: Callable[[int, int, str, str], str]
    """Takes day, month, the words of the year or "", and the word before the date."""
    year: Callable[[int], str]
    gender: Callable[[str], str]
    """Takes a noun."""
    noun_gender: Callable[[str, str], str]
    """Takes the word after a number, and the number: the gender for which that is bent."""
    decimal_by_digits: bool
    comma: bool
    """A comma stands before decimals, a full stop between thousands."""
    point: str
    minus: str
    plus: str
    to: str
    days_to: str
    zero: str
    and_: str
    number: str
    version: str
    dot: str
    at: str
    date_and_time: str
    by: str
    ratio: str
    cents_after: str
    """What stands between euros and cents."""
    says_cents: bool
    months: tuple[str, ...]
    short_months: tuple[str, ...]
    weekdays: tuple[str, ...]
    short_weekdays: tuple[tuple[str, ...], ...]
    currencies: Mapping[str, Currency]
    sign_words: Mapping[str, str]
    """A sign's words, wherever it stands; see `signs`."""
    before_numbers: Mapping[str, str]
    """Words for signs that have others before a number."""
    abbreviations: Mapping[str, str]
    """With their full stop. Those that end in a blank stand before a name or a number only, those
    that end in " #" before a number."""
    compass: Mapping[str, str]
    wind: str
    """A pattern of words beside which a point of the compass may stand."""
    number_words: str
    """A pattern of abbreviations for "number"."""
    ordinal_endings: str
    """A pattern of what makes an ordinal of the digits before it."""
    dials: str
    """A pattern of words after which digits are said one by one."""
    places: str
    """A pattern of words after which a number is a name, as that of a room."""
    rulers: str
    """A pattern of names after which Roman numerals are ordinals."""
    chapters: str
    """A pattern of words after which Roman numerals are numbers."""
    ruler: Callable[[int], str]
    """Takes the number of a king."""
    magnitudes: Mapping[str, str] = field(default_factory=dict)
    """Short forms of a million and the like, after money."""
    clock_word: str = ""
    """A pattern of a word like o'clock after a time, which the words of the time contain."""

    @cached_property
    def signs(self) -> Mapping[str, str]:
        """Return the words of every sign: of those that mean the same, of currencies and lone Greek
        letters, too."""
        alike = {sign: self.sign_words[other] for sign, other in _ALIKE.items()}
        money = {sign: one.one for sign, one in self.currencies.items() if len(sign) == 1}
        names = {**greek_names(self.language), **symbol_names(self.language)}
        return {**names, **alike, **money, **self.sign_words}

    def digits(self, written: str) -> str:
        """Return each digit's word."""
        return " ".join(self.cardinal(int(digit), "") for digit in written)


@lru_cache(maxsize=8)
def words_of(language: str) -> Words | None:
    """Return the words of a language (`en`, `en-GB`, `de_DE`), None if it is not one of ours."""
    from wyoming_csm.text.spoken import dutch, english, french, german, italian, spanish

    known = {
        "en": english.WORDS,
        "de": german.WORDS,
        "fr": french.WORDS,
        "es": spanish.WORDS,
        "it": italian.WORDS,
        "nl": dutch.WORDS,
    }
    code = language.replace("_", "-").lower()
    if code.startswith("en-") and code not in ("en-us", "en-ph", "en-ca"):
        return english.BRITISH
    return known.get(code.partition("-")[0])
