"""Numbers as they are written, with signs, thousands and decimals, to words."""

# ruff: noqa: RUF001  (look-alike characters are meant)

from functools import lru_cache

from wyoming_csm.text.spoken.words import Words

LONGEST = 24  # digits with thousands marked; beyond it each digit is said
LONGEST_PLAIN = 12
SIGN = r"(?<![\w.,)\]%°])[-−+±] ?|−"


def number_pattern(words: Words) -> str:
    """Return a pattern without groups for a number without a sign."""
    if words.comma:
        thousands = r"[1-9]\d{0,2}(?:[. ']\d{3})+(?!\d)(?:,\d+)?"
        return rf"(?:\d{{1,3}}(?:,\d{{3}})+\.\d+|{thousands}|\d+(?:[.,]\d+)?)"
    thousands = r"\d{1,3}(?:[,']\d{3})+(?!\d)(?:\.\d+)?|\d{1,3}(?:\.\d{3}){2,}(?![\d.])"
    lakhs = r"\d{1,2}(?:,\d\d)+,\d{3}(?![\d,])(?:\.\d+)?"  # 1,00,000
    comma = r"(?<![\d,.])\d{1,4},\d{1,2}(?![\d,]|\.\d)"  # as others write it
    blanks = r"[1-9]\d{0,2}(?:(?: 000)+|(?: \d{3}){2,})(?! ?\d)"
    points = r"\d{1,3}(?:\.\d{3})+,\d+"
    return rf"(?:{blanks}|{points}|{lakhs}|{thousands}|{comma}|\d+(?:\.\d+)?|(?<![\w.])\.\d+)"


def parts(written: str, words: Words) -> tuple[str, str]:
    """Return the digits before and after the decimal point.

    Where both marks stand, the last one is the point; a single one that cannot part thousands is
    the point, too, whatever the language: sensors write 21.5 everywhere.
    """
    plain = written.replace(" ", "").replace("'", "")
    whole, mark, decimals = plain.rpartition(_last_mark(plain))
    if not mark:
        return plain, ""
    other = "," if mark == "." else "."
    only = plain.count(mark) == 1 and other not in plain
    usual = mark == ("," if words.comma else ".")
    could_be_thousands = len(decimals) == 3 and 0 < len(whole) <= 3 and whole[0] != "0"
    if plain.count(mark) > 1 or (only and not usual and could_be_thousands):
        return plain.replace(mark, ""), ""
    return whole.replace(other, ""), decimals


def _last_mark(plain: str) -> str:
    """Return the last comma or full stop, or a comma if there is none."""
    return "." if plain.rfind(".") > plain.rfind(",") else ","


def is_one(written: str, words: Words) -> bool:
    """Return whether a noun after the number is in the singular."""
    whole, decimals = parts(written, words)
    if words.language == "fr":
        return whole.lstrip("0") in ("", "1")
    return whole == "1" and not decimals


def said(written: str, words: Words, gender: str = "") -> str:
    """Return the words of a number without a sign."""
    whole, decimals = parts(written, words)
    marked = len(whole) + len(decimals) + 1 < len(written)
    head = said_whole(whole, words, gender if not decimals else "", marked) if whole else ""
    return f"{head} {words.point} {said_decimals(decimals, words)}".strip() if decimals else head


def said_whole(digits: str, words: Words, gender: str = "", marked: bool = False) -> str:
    """Return the words of digits; a number too long to be counted, or a code, digit by digit."""
    coded = len(digits) > 1 and digits[0] == "0"
    if coded or len(digits) > (LONGEST if marked else LONGEST_PLAIN):
        return words.digits(digits)
    return _cardinal(words, int(digits), gender)


@lru_cache(maxsize=4096)
def _cardinal(words: Words, number: int, gender: str) -> str:
    return words.cardinal(number, gender)


def said_decimals(decimals: str, words: Words) -> str:
    """Return the words of what stands after the point."""
    if words.decimal_by_digits or len(decimals) > 2:
        return words.digits(decimals)
    zeros = len(decimals) - len(decimals.lstrip("0"))
    rest = [words.cardinal(int(decimals), "")] if decimals.strip("0") else []
    return " ".join([words.zero] * zeros + rest)


def said_sign(sign: str | None, words: Words) -> str:
    """Return the sign's word and a blank."""
    names = {"-": words.minus, "−": words.minus, "+": words.plus}
    bare = (sign or "").strip()
    return f"{names.get(bare) or words.signs.get(bare, '')} " if bare else ""
