"""Words of a sentence that figures made too long for one breath: cut at a comma or a blank."""

_LONGEST = 300  # characters; sentences as they are written have 250
_CUT = 250
_SHORTEST = 100  # before a comma


def in_parts(words: str) -> list[str]:
    """Return the words of one sentence in parts of a length that engines speak well."""
    parts = []
    while len(words) > _LONGEST:
        end = _end(words)
        parts.append(words[:end].rstrip())
        words = words[end:].lstrip()
    return [*parts, words]


def _end(words: str) -> int:
    comma = words.rfind(", ", _SHORTEST, _CUT)
    blank = words.rfind(" ", 1, _CUT)
    return comma + 1 if comma > 0 else blank if blank > 0 else _CUT
