"""The words of a clip against its length: where they are others than is said, the voice babbles."""

import re
from typing import NamedTuple

# Words a second. People who read aloud say 1.2 to 4; a record is 11.
_SLOW, _QUICK = 0.8, 6.0
_TOO_SLOW, _TOO_QUICK = 0.2, 11.0
_LEAST_SECONDS = 3.0  # of a recording: one word and a breath say nothing
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_FIGURES = re.compile(r"\d+")
# Thai, Lao, Burmese, Khmer, Japanese and Chinese are written without blanks.
_WITHOUT_BLANKS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


class Pace(NamedTuple):
    """What is odd, with a cure ("": nothing), and if nobody can speak like that."""

    doubt: str = ""
    impossible: bool = False


def pace_of(words: str, seconds: float) -> Pace:
    """Compare a recording's words with its length."""
    if _WITHOUT_BLANKS.search(words):
        return Pace()
    least, figures = len(_WORD.findall(words)), _FIGURES.findall(words)
    most = least + len("".join(figures))  # 1984 is one word, or one for each of its digits
    least += len(figures)
    if least > _QUICK * seconds:
        return Pace(
            f"{least} words in {seconds:.1f} s is more than people say: is it the text of another"
            " recording, or of a longer one? Write only what is said in this one",
            least > _TOO_QUICK * seconds,
        )
    if most < _SLOW * seconds and seconds > _LEAST_SECONDS:
        return Pace(
            f"{_counted(most)} in {seconds:.1f} s is less than people say: is something missing?"
            " Write every word that is said in it, or cut what is not speech out of it",
            most < _TOO_SLOW * seconds,
        )
    return Pace()


def _counted(words: int) -> str:
    return "1 word" if words == 1 else f"{words} words"
