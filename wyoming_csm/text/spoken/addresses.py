"""E-mail and web addresses, names of files, and streets: 708 N 1st St, CA 95051."""

# ruff: noqa: SIM905  (tables of words read best as words)

import re
from re import Match

from wyoming_csm.text.spoken.english import pairs
from wyoming_csm.text.spoken.rule import Rule, rule, text_after, word_list
from wyoming_csm.text.spoken.words import Words

_ENDINGS = (
    "com org net edu gov info app dev abc local lan home io de fr it es nl eu uk us ch at be"
    " tv me co ai sm yaml yml json txt pdf jpg png gif mp3 mp4 wav py js html htm csv zip log"
    " xml"
).split()
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_&+-]{0,62}[A-Za-z0-9])?"
_PATH = r"(?:[:/][^\s,;!?\"'<>()]{0,200}(?<![.,;:!?]))?"
_EMAIL = (
    rf"(?<![\w@])[A-Za-z0-9](?:[\w.&+-]{{0,62}}[\w])?@(?:{_LABEL}\.){{1,6}}[A-Za-z]{{2,12}}{_PATH}"
)
_URL = r"(?<!\w)(?:https?|ftp|file|tcp)://[^\s,;!?\"'<>()]{1,400}(?<![.,;:!?])"
_HOST = (
    rf"(?<![\w@.-])(?:www\.)?(?:{_LABEL}\.){{1,5}}(?:{'|'.join(_ENDINGS)})(?![\w-])(?!\.\w){_PATH}"
)
_COLOR = r"(?<![\w#])#(?=\d{0,5}[A-Fa-f])(?P<code>[0-9A-Fa-f]{6})(?!\w)"
_PART = re.compile(r"[A-Za-zÀ-ž]+|(?<!\d)[1-9]0{2,3}(?!\d)|\d|.", re.S)
_LETTERS = {"jpg": "jpeg"}  # as it is called
_NAMES = {
    "en": "slash dash underscore colon", "de": "Schrägstrich Strich Unterstrich Doppelpunkt",
    "fr": "slash tiret tiret_bas deux-points", "es": "barra guion guion_bajo dos_puntos",
    "it": "barra trattino trattino_basso due_punti", "nl": "slash streepje underscore dubbele_punt",
}  # fmt: skip

STREETS = {
    "St": "Street", "Ave": "Avenue", "Rd": "Road", "Blvd": "Boulevard", "Ln": "Lane", "Ct": "Court",
    "Pl": "Place", "Hwy": "Highway", "hwy": "Highway", "Expy": "Expressway", "Sq": "Square",
    "st": "Street",
}  # fmt: skip
_NO_STREETS = "The|A|My|Our|Your|In|At|On|To|From|Near|Visit|Is|Mount|Fort"
_STATES = """
AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut,
DE Delaware, FL Florida, GA Georgia, HI Hawaii, ID Idaho, IL Illinois, IN Indiana, IA Iowa,
KS Kansas, KY Kentucky, LA Louisiana, ME Maine, MD Maryland, MA Massachusetts, MI Michigan,
MN Minnesota, MS Mississippi, MO Missouri, MT Montana, NE Nebraska, NV Nevada, NH New Hampshire,
NJ New Jersey, NM New Mexico, NY New York, NC North Carolina, ND North Dakota, OH Ohio, OK Oklahoma,
OR Oregon, PA Pennsylvania, RI Rhode Island, SC South Carolina, SD South Dakota, TN Tennessee,
TX Texas, UT Utah, VT Vermont, VA Virginia, WA Washington, WV West Virginia, WI Wisconsin,
WY Wyoming, DC D C
"""


def address_rules(words: Words) -> list[Rule]:
    """Return the rules of addresses; nothing goes before them."""
    rules = [
        rule("address", pattern, _spelled, words, digit=False, needs=needs)
        for pattern, needs in ((_URL, "/"), (_EMAIL, "@"), (_HOST, "."))
    ]
    rules.append(rule("color", _COLOR, _color, words, needs="#"))
    return rules + (_street_rules(words) if words.language.startswith("en") else [])


def _color(found: Match[str], words: Words) -> str:
    """Return letters and digits one by one: "#FF8800"."""
    code = (words.digits(char) if char.isdigit() else char for char in found["code"].upper())
    return f"{words.signs['#']} {' '.join(code)}"


def sign_name(char: str, words: Words) -> str:
    """Return the name of a sign where each character is said; others stay."""
    slash, dash, underscore, colon = (
        name.replace("_", " ") for name in _NAMES[words.language[:2]].split()
    )
    names = {
        ".": words.dot, "@": words.signs["@"], "/": slash, "-": dash, "_": underscore, ":": colon,
        "?": "?", "!": "!", "&": "ampersand" if slash == "slash" and dash == "dash" else words.and_,
    }  # fmt: skip
    return names.get(char) or words.signs.get(char, char)


def _spelled(found: Match[str], words: Words) -> str:
    said = []
    parts = _PART.findall(found[0])
    for position, part in enumerate(parts):
        if part.isdigit() and part.isascii():
            said.append(words.cardinal(int(part), ""))
        elif part.isalpha():
            after_dot = position and parts[position - 1] == "."
            short = (len(part) == 2 and after_dot) or part in (
                "http",
                "https",
                "www",
                "html",
                "tcp",
                "ftp",
            )
            said.append(part.upper() if short else _LETTERS.get(part, part))
        else:
            said.append(sign_name(part, words))
    return " ".join(said)


def _street_rules(words: Words) -> list[Rule]:
    """Return the rules of American streets and states."""
    states = dict(entry.split(" ", 1) for entry in " ".join(_STATES.split()).split(", "))
    house = r"(?<![\w.])(?P<number>\d{1,5})(?P<letter>[A-Z]?) (?P<point>[NSEW]\.? )?"
    name = r"(?P<name>(?:St\. )?(?:[A-Z][\w']*|\d{1,3}(?:st|nd|rd|th))(?: [A-Z][\w']*){0,2}) "
    kinds = word_list([*STREETS, *STREETS.values(), "Drive", "Way", "Terrace"])
    kind = rf"(?P<kind>{kinds})\b(?P<dot>\.)?(?!\w)"
    inside = r"(?:\.(?= [a-z\d]|[,;:)]))"  # of a sentence
    ordinal = (
        rf"(?<![\w.])(?P<name>\d{{1,3}}(?:st|nd|rd|th)) (?P<kind>{word_list(STREETS)})(?!\w)"
        rf"{inside}?"
    )
    named = (
        rf"(?<!\w)(?P<name>(?!(?:{_NO_STREETS}) )[A-Z][\w']{{1,30}}) "
        rf"(?P<kind>{word_list(STREETS)})(?:{inside}|(?=\.\Z))"
    )
    state = (
        rf"(?<=\w, )(?P<state>{word_list(states)})"
        r"(?:(?P<mark>,? )(?P<zip>\d{5})\b|(?=\Z|[.!?]\Z))"
    )

    def state_and_code(found: Match[str], words: Words) -> str:
        code = f"{found['mark']}{words.digits(found['zip'])}" if found["zip"] else ""
        return states[found["state"]] + code

    return [
        rule("street", house + name + kind, _street, words),
        rule("street", ordinal, lambda f, w: f"{f['name']} {STREETS[f['kind']]}", words),
        rule(
            "street",
            named,
            lambda f, w: f"{f['name']} {STREETS[f['kind']]}",
            words,
            digit=False,
            needs=".",
        ),
        rule("state", state, state_and_code, words, digit=False, needs=","),
    ]


def _street(found: Match[str], words: Words) -> str:
    rest = text_after(found)
    stop = "." if found["dot"] and (not rest.strip() or re.match(" [A-Z]", rest)) else ""
    letter = f" {found['letter']}" if found["letter"] else ""
    point = f"{words.compass[found['point'][0]].title()} " if found["point"] else ""
    kind = STREETS.get(found["kind"], found["kind"])
    return f"{_house(found['number'])}{letter} {point}{found['name']} {kind}{stop}"


def _house(number: str) -> str:
    return pairs(number) if number[0] != "0" and len(number) < 5 else number
