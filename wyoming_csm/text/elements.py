"""The elements of HTML: which end a line, which stand side by side, which are only style.

What a browser shows below each other is spoken apart: a list's item, a heading, a table's row.
"""

# ruff: noqa: SIM905  (tables of words read best as words)

from wyoming_csm.text.stream import BREAK, LINE_END, PARAGRAPH_END
from wyoming_csm.text.tags import Tag

_ITEM = f"{LINE_END}- "  # as Markdown writes it
_CELL = " | "

_BLOCKS = frozenset(
    "address article aside blockquote body br caption center details dialog dd div dl dt fieldset"
    " figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav"
    " ol optgroup option p pre section select summary table tbody textarea tfoot thead title tr ul"
    # what language models put round an answer
    " answer final_answer response output result final message assistant user system solution"
    " conclusion reply".split()
)
_PARAGRAPHS = frozenset("article blockquote dl h1 h2 h3 h4 h5 h6 hr ol p section table ul".split())
_CELLS = frozenset({"td", "th"})
_INLINE = frozenset(
    "a abbr acronym audio b bdi bdo big button cite code col colgroup data del dfn em embed font i"
    " iframe img input ins kbd label link map mark math meta meter object picture progress q rp rt"
    " ruby s samp small source span strike strong sub sup time tt u var video wbr"
    # of language models: the beginning and end of a text, of a turn
    " bos eos pad unk start_of_turn end_of_turn end_of_utterance"
    # of SSML
    " break emphasis lang phoneme prosody say-as speak voice w token express-as".split()
)


def is_element(tag: Tag) -> bool:
    """Tell whether it is one, not a word in angle brackets ("a <b and c> d")."""
    if tag.is_bare and len(tag.name) == 1:
        return False
    return tag.name in _BLOCKS or tag.name in _CELLS or tag.name in _INLINE


def html(tag: Tag) -> str:
    """Return what is said in the place of the tag."""
    if tag.name in _CELLS:
        return _CELL
    if tag.name == "li" and not tag.closes:
        return _ITEM
    if tag.name == "img":
        return tag.attributes.get("alt", "")
    if tag.name == "q":
        return '"'
    if tag.name == "br":
        return BREAK
    if tag.name in _PARAGRAPHS:
        return PARAGRAPH_END
    return LINE_END if tag.name in _BLOCKS else ""
