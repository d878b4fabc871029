"""How voices are listed: under which languages, and so that the right one comes first.

Home Assistant makes a list for each tag that a voice names, sorts it by description, by code point,
and a new assistant takes the first. From a language and a country it chooses the tag of the country
before the one without: in the United States `en-US` before `en`.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from wyoming_csm.voice_choice import primary_of, standard_tag
from wyoming_csm.voices import Voice


class Listed(NamedTuple):
    """One voice as it is listed; its own language first."""

    languages: list[str]
    description: str


def listed(voices: Sequence[Voice], configured: str | None) -> list[Listed]:
    """Of each of `voices`, which are in our order: the first of each list comes first when sorted,
    and CSM's bare speakers, which sound different each time, come last.

    Blanks before a description do it: they sort before all else, and a page does not show them.
    """
    languages = _languages(voices, configured)
    lists: dict[str, list[int]] = defaultdict(list)
    for number, tags in enumerate(languages):
        for tag in tags:
            lists[tag].append(number)
    firsts = {members[0] for members in lists.values() if len(members) > 1}
    places = [
        (0, number) if number in firsts else (2, 0) if _is_bare(voice) else (1, 0)
        for number, voice in enumerate(voices)
    ]
    taken: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for tags, place in zip(languages, places, strict=True):
        taken[primary_of(tags[0])].add(place)
    found = []
    for voice, tags, place in zip(voices, languages, places, strict=True):
        behind = sum(other > place for other in taken[primary_of(tags[0])])
        found.append(Listed(tags, " " * behind + (voice.description.lstrip() or voice.name)))
    return found


def _languages(voices: Sequence[Voice], configured: str | None) -> list[list[str]]:
    """Of each: its tag, and the one without a region; of one without a region, and of the
    configured voice, all tags of the language."""
    tags = [standard_tag(voice.language) for voice in voices]
    there: dict[str, dict[str, None]] = defaultdict(dict)  # in the order of the voices
    for tag in tags:
        there[primary_of(tag)][tag] = None
    found = []
    for voice, tag in zip(voices, tags, strict=True):
        primary = primary_of(tag)
        everywhere = tag == primary or voice.name == configured
        others = [o for o in there[primary] if o != tag and (everywhere or o == primary)]
        found.append([tag, *others])
    return found


def _is_bare(voice: Voice) -> bool:
    return voice.engine == "csm" and not voice.clips
