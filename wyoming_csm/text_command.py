"""`wyoming-csm text`: what would be spoken of each line, by the same code as the server's."""

from collections.abc import Iterable

from wyoming_csm.text.pieces import Pause
from wyoming_csm.text.reader import TextReader
from wyoming_csm.text.spoken import explained


def print_words(
    lines: Iterable[str], language: str, ssml: bool = False, explain: bool = False
) -> None:
    """Print the words of each line and, if they are to be explained, its changes under it.

    Raises RequestError for SSML that is refused.
    """
    for line in lines:
        changes: list[str] = []
        said: list[str] = []
        reader = TextReader(language, ssml=ssml)
        for piece in (*reader.push(line.rstrip("\n")), *reader.finish()):
            if isinstance(piece, Pause):
                said.append(f"[pause {piece.seconds:g} s]")
                continue
            sentence = explained(piece.text, language)
            said.append(sentence.text)
            changes += [f"  {one.rule}: {one.before} → {one.after}" for one in sentence.changes]
        print(" ".join(said), *(changes if explain else ()), sep="\n", flush=True)
