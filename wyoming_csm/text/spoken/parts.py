"""Words of a sentence that figures made too long for one breath: cut at a comma or a blank."""

from wyoming_csm.text.spoken import spoken

_LONGEST = 300  # characters; sentences as they are written have 250
_CUT = 250
_SHORTEST = 100  # before a comma


def spoken_parts(text: str, language: str) -> list[str]:
    """Return the words of one cleaned sentence, in parts of a length that engines speak well."""
    words, parts = spoken(text, language), []
    while len(words) > _LONGEST:
        end = _end(words)
        parts.append(words[:end].rstrip())
        words = words[end:].lstrip()
    return [*parts, words]


def _end(words: str) -> int:
    comma = words.rfind(", ", _SHORTEST, _CUT)
    blank = words.rfind(" ", 1, _CUT)
    return comma + 1 if comma > 0 else blank if blank > 0 else _CUT
