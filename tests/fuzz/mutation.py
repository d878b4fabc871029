"""Hostile bytes of good ones: cut, doubled, spliced, their numbers and brackets made absurd."""

import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_NUMBERS = (
    *(b"0", b"-1", b"1", b"-0.0", b"1e999", b"NaN", b"-Infinity", b"0x10", b"1e-400", b"007"),
    *(b"127", b"255", b"65535", b"65536", b"2147483648", b"4294967296", b"9223372036854775808"),
    *(b"18446744073709551616", b"9" * 400, b"null", b"true", b'"5"', b"[]", b"{}"),
)
_BRACKETS = (
    b"[",
    b"{",
    b"(",
    b"<",
    b'{"a":',
    b"[[",
    b"- ",
    b"<a>",
    b"\\",
    b'"',
    b"&",
    b"\x81\xa1a",
)
_TEXTS = ("", "a", "text", "ü", "\ud83d", "\0", "\u202e", "\ufeff", "x" * 300, "../x", "%s%n", "5")

Change = Callable[[Random, bytes], bytes]


class Mutation:
    """Makes bytes of `seeds`, with `words` that mean something to who reads them."""

    def __init__(self, seeds: Sequence[bytes], words: Sequence[bytes] = ()) -> None:
        self._seeds = seeds
        self._words = (*words, *_BRACKETS, *_NUMBERS)
        self._changes: tuple[Change, ...] = (
            *(_flip, _overwrite, _cut, _truncate, _double, _swap, _number, _number),
            *(self._insert, self._insert, self._splice, self._nest),
        )

    def make(self, random: Random, most: int = 65_536) -> bytes:
        """Change one seed a few times; at most so many bytes come of it."""
        data = random.choice(self._seeds)
        for _ in range(random.choice((1, 1, 2, 3, 5, 9))):
            data = random.choice(self._changes)(random, data)[:most]
        return data

    def _insert(self, random: Random, data: bytes) -> bytes:
        at = random.randint(0, len(data))
        return data[:at] + random.choice(self._words) + data[at:]

    def _splice(self, random: Random, data: bytes) -> bytes:
        other = random.choice(self._seeds)
        return data[: random.randint(0, len(data))] + other[random.randint(0, len(other)) :]

    def _nest(self, random: Random, data: bytes) -> bytes:
        at, times = random.randint(0, len(data)), random.choice((2, 20, 300, 5_000))
        return data[:at] + random.choice(self._words) * times + data[at:]


def any_json(random: Random, depth: int = 3) -> Any:
    """Make a value as JSON has it, of any kind."""
    match random.randrange(9 if depth else 6):
        case 0:
            return None
        case 1:
            return random.random() < 0.5
        case 2:
            return random.choice((0, 1, -1, 7, 2**31, 2**63, -(2**63), 10**30))
        case 3:
            return random.choice((0.5, -1.5, 1e308, float("nan"), float("inf")))
        case 4 | 5:
            return random.choice(_TEXTS)
        case 6:
            return [any_json(random, depth - 1) for _ in range(random.randrange(4))]
        case _:
            return any_object(random, ("a", "type", "text"), depth - 1)


def any_object(random: Random, names: Sequence[str], depth: int = 3) -> dict[str, Any]:
    """Make a JSON object with some of these names."""
    some = random.sample(names, random.randint(0, min(4, len(names))))
    return {name: any_json(random, depth) for name in some}


def as_json(value: Any) -> bytes:
    """Write it as Python does: NaN and halves of characters, too."""
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")


def _flip(random: Random, data: bytes) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _overwrite(random: Random, data: bytes) -> bytes:
    at = random.randint(0, len(data))
    new = random.randbytes(random.choice((1, 2, 4, 8)))
    return data[:at] + new + data[at + len(new) :]


def _cut(random: Random, data: bytes) -> bytes:
    begin, end = _span(random, data)
    return data[:begin] + data[end:]


def _truncate(random: Random, data: bytes) -> bytes:
    return data[: random.randint(0, len(data))]


def _double(random: Random, data: bytes) -> bytes:
    begin, end = _span(random, data)
    return data[:end] + data[begin:end] * random.choice((1, 2, 50)) + data[end:]


def _swap(random: Random, data: bytes) -> bytes:
    begin, end = _span(random, data)
    middle = random.randint(begin, end)
    return data[:begin] + data[middle:end] + data[begin:middle] + data[end:]


def _number(random: Random, data: bytes) -> bytes:
    found = list(_NUMBER.finditer(data[:20_000]))
    if not found:
        return data
    begin, end = random.choice(found).span()
    return data[:begin] + random.choice(_NUMBERS) + data[end:]


def _span(random: Random, data: bytes) -> tuple[int, int]:
    begin = random.randint(0, len(data))
    return begin, min(len(data), begin + random.choice((1, 2, 4, 16, 64, 1_000)))
