"""The table of language codes is what langcodes says, and what it says serves a listener."""

import itertools
import string
from collections import defaultdict

import pytest

from wyoming_csm.language_codes import NEAR, SAME, alike
from wyoming_csm.worker.system.languages import languages

MOST = 9  # of langcodes's distance: beyond it "there may be problems with understanding"
SPOKEN = {language.tag.partition("-")[0] for language in languages()}


def is_common(codes: list[str]) -> bool:
    """Whether a voice may well speak it: it has a code of two letters, or is the system voice's."""
    return any(len(code) == 2 or code in SPOKEN for code in codes)


def made_with_langcodes() -> tuple[str, str]:
    """SAME and NEAR, as far as common languages are concerned."""
    langcodes = pytest.importorskip("langcodes", reason="langcodes made the table")
    by_meaning = defaultdict(list)
    for size in (2, 3):
        for code in map("".join, itertools.product(string.ascii_lowercase, repeat=size)):
            if code not in ("und", "mul", "mis", "zxx"):  # no language, or several
                whole = langcodes.Language.get(code).prefer_macrolanguage().maximize()
                by_meaning[whole.language, whole.script, whole.territory].append(code)
    names: dict[str, list[str]] = {}  # all codes by the usual one
    by_language = defaultdict(list)  # those that differ in script or territory
    for (language, _, _), codes in by_meaning.items():
        usual = language if language in codes else codes[0]
        names[usual] = sorted(codes, key=lambda code: (code != usual, code))
        by_language[language].append(usual)
    pairs = {pair for usuals in by_language.values() for pair in itertools.permutations(usuals, 2)}
    for wanted, others in pytest.importorskip("langcodes.data_dicts").LANGUAGE_DISTANCES.items():
        for other in others:
            wanting, serving = (
                by_language.get(tag.partition("_")[0], []) for tag in (wanted, other)
            )
            pairs.update(itertools.product(wanting, serving))
    near = defaultdict(list)
    for wanted, other in pairs:
        distance = langcodes.tag_distance(wanted, other)
        if 0 < distance <= MOST and is_common(names[wanted] + names[other]):
            near[wanted].append((distance, other))
    same = [c for usual, c in names.items() if len(c) > 1 and (is_common(c) or usual in near)]
    likes = [[wanted, *(other for _, other in sorted(near[wanted]))] for wanted in near]
    return as_table(same), as_table(likes)


def as_table(lists: list[list[str]]) -> str:
    return ", ".join(map(" ".join, sorted(lists)))


def test_the_table_is_langcodes_own() -> None:
    same, near = made_with_langcodes()
    assert " ".join(SAME.split()) == same
    assert " ".join(NEAR.split()) == near


@pytest.mark.parametrize(
    ("wanted", "served_by"),
    [
        ("no", "nb"), ("nb", "no"), ("iw", "he"), ("in", "id"), ("ji", "yi"), ("jw", "jv"),
        ("fil", "tl"), ("tl", "fil"), ("mo", "ro"), ("cmn", "zh"), ("arb", "ar"), ("prs", "fa"),
        ("eng", "en"), ("ger", "de"), ("deu", "de"), ("de", "deu"), ("sh", "sr"), ("gsw", "de"),
    ],
)  # fmt: skip
def test_what_serves_for_another(wanted: str, served_by: str) -> None:
    assert any(served_by in codes for codes in alike(wanted))


@pytest.mark.parametrize(
    ("wanted", "other"),
    [("uk", "ru"), ("da", "nb"), ("de", "gsw"), ("yue", "zh"), ("ca", "es"), ("c", "en")],
)
def test_what_does_not(wanted: str, other: str) -> None:
    assert all(other not in codes for codes in alike(wanted))


def test_the_nearest_comes_first() -> None:
    serving = [{"hr", "hrv", "scr"}, {"bs", "bos"}, {"cnr"}, {"sh", "hbs"}]
    assert alike("hrv") == serving
    assert alike("xx") == [frozenset({"xx"})]
