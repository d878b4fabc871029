"""Which voices speak a language that is asked for."""

from collections.abc import Sequence

import pytest

from wyoming_csm.engines.system import system_voices
from wyoming_csm.voice_choice import of_language, standard_tag
from wyoming_csm.voices import Voice

SYSTEM = system_voices("en")


def voice(language: str) -> Voice:
    return Voice(name=language, language=language, description="", engine="x")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("no", "nb"),
        ("no-NO", "nb"),
        ("no_NO.UTF-8", "nb"),
        ("iw", "he"),
        ("iw_IL", "he"),
        ("in", "id"),
        ("mo", "ro"),
        ("zh-TW", "zh"),
        ("zh_Hant_HK", "zh"),
        ("cmn", "zh"),
        ("yue", "yue"),
        ("prs", "fa"),
        ("arb", "ar"),
        ("gsw-CH", "de-DE"),
        ("eng", "en-US"),
        ("GER", "de-DE"),
        ("en_US.UTF-8", "en-US"),
        ("en_GB@euro", "en-GB"),
    ],
)
def test_a_language_by_another_code(wanted: str, found: str) -> None:
    assert of_language(SYSTEM, wanted)[0].language == found


@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [("ji", "yi"), ("yi", "ji"), ("fil-PH", "tl"), ("tl", "fil"), ("nb", "no"), ("he", "iw-IL")],
)
def test_a_voice_whose_tag_is_the_other_code(wanted: str, spoken: str) -> None:
    voices = [voice("en"), voice(spoken)]
    assert of_language(voices, wanted) == [voices[1]]


@pytest.mark.parametrize(
    "wanted", ["", "C", "POSIX", "C.UTF-8", "xx", "-", "日本", "und", "x" * 300]
)
def test_what_is_no_language_here(wanted: str) -> None:
    assert of_language(SYSTEM, wanted) == []


def test_the_nearest_speaks() -> None:
    voices = [voice(tag) for tag in ("sh", "bs", "en", "bs-BA")]
    assert of_language(voices, "hr") == [voices[1], voices[3]]
    assert of_language([*voices, voice("hr-HR")], "hr") == [voice("hr-HR")]


@pytest.mark.parametrize(
    "tag", ["en", "de-CH", "zh-Hant-TW", "es-419", "ca-valencia", "kok", "sr-Latn"]
)
def test_a_tag_in_its_usual_case(tag: str) -> None:
    for written in (tag, tag.lower(), tag.upper(), tag.replace("-", "_")):
        assert standard_tag(written) == tag


def as_tags_were_matched_before(voices: Sequence[Voice], wanted: str) -> list[Voice]:
    """The same letters, else the same first part, whatever the case and the dash."""
    letters = wanted.lower().replace("_", "-")
    tags = [(one, one.language.lower().replace("_", "-")) for one in voices]
    same = [one for one, tag in tags if tag == letters]
    return same or [one for one, tag in tags if tag.split("-")[0] == letters.split("-")[0]]


def test_no_tag_that_matched_matches_another_voice() -> None:
    tags = {one.language for one in SYSTEM} | {"zh-TW", "de-CH", "en-AU", "pt", "sr-Latn-RS"}
    more = {tag + end for tag in tags for end in ("", "-XX", "-Latn", "_XX")}
    for wanted in more | {tag.upper() for tag in more} | {tag.replace("-", "_") for tag in more}:
        before = as_tags_were_matched_before(SYSTEM, wanted)
        assert before
        assert of_language(SYSTEM, wanted) == before
