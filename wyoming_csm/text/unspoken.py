"""What a language model writes for machines: reasoning, calls of tools, control tokens.

All of it is silent to its end, and where the end never comes, to the end of the text, also if
then nothing at all is said: a reply that was cut off while its model reasoned has nothing for a
listener. The server then writes a line in the log.
"""

# ruff: noqa: RUF001, SIM905  (look-alike characters are meant; words read best as words)

import re
from dataclasses import dataclass

from wyoming_csm.text.stream import SENTENCE_END

LONGEST_END = 64  # characters of what ends a silence

_REASONING = (
    "think|thinking|thought|thoughts|reasoning|reason|reflection|scratchpad|analysis"
    "|inner_monologue|antthinking"
)
_TOOLS = frozenset(
    "tool_call tool_calls tool_response tool_result tool_results tool_use tool_code tool_output"
    " tool_outputs function_call function_calls function_response function_results function invoke"
    " tools tool".split()
)
_WORDS_TOO = frozenset("thought thoughts reason reflection analysis function tool tools".split())
_MUTE = frozenset("script style svg head template noscript metadata desc".split())
FENCED = ("homeassistant", "tool_code", "tool_call", "tool_calls", "tool_outputs")
_SPECIAL = r"<[|｜]{}[|｜]>"
_ENDS = re.compile(_SPECIAL.format(r"(?:/|[^<>|｜]*(?:end|eom|eot|eos))[^<>|｜]*") + "$", re.I)


@dataclass(frozen=True)
class Silence:
    """Text that is not spoken, from what began it to `end`."""

    began: str  # for people: what began it
    end: re.Pattern[str]  # matches at the end of the text that is silent
    after: str = SENTENCE_END  # stands in the place of all of it


DEFINITIONS = Silence("<!DOCTYPE", re.compile(r"\]\s*>$"), "")
COMMENT = Silence("<!--", re.compile("-->$"), "")
_REASONING_NAME = re.compile(rf"(?:{_REASONING})", re.I)
_REASONING_ENDS = re.compile(
    rf"(?:</(?:[\w-]+:)?(?:{_REASONING})\s*>|◁/(?:{_REASONING})▷|\[/(?:{_REASONING})\])$", re.I
)
_FOR_EARS = re.compile(r"(?:^|<\|channel\|>)(?:final|assistant)[^<>]*<\|message\|>$")
_OF_MACHINES = re.compile(r"think|thought|tool|reason|function|python_tag")


def silence_of_element(name: str, begins_sentence: bool) -> Silence | None:
    """Return the silence that the start of an element brings, if it does.

    In the middle of a sentence, "a <function> of it", names that are also words bring none.
    """
    local = name.rpartition(":")[2].lower()
    if local in _WORDS_TOO and not begins_sentence:
        return None
    if _REASONING_NAME.fullmatch(local):
        return Silence(f"<{local}>", _REASONING_ENDS)
    if local in _TOOLS or local in _MUTE:
        return Silence(f"<{local}>", re.compile(rf"</(?:[\w-]+:)?{local}\s*>$", re.I))
    return None


def silence_of_bracket(inner: str) -> Silence | None:
    """Return the silence that a token like [THINK] or [TOOL_CALLS] begins, if it does."""
    if inner.isupper() and _REASONING_NAME.fullmatch(inner):
        return Silence(f"[{inner}]", _REASONING_ENDS)
    if inner == "TOOL_CALLS":
        return Silence("[TOOL_CALLS]", re.compile(r"\n$"))
    if inner in ("AVAILABLE_TOOLS", "TOOL_RESULTS"):
        return Silence(f"[{inner}]", re.compile(rf"\[/{inner}\]$"))
    return None


def silence_of_fence(name: str) -> Silence | None:
    """Return the silence of a block of code after ```name, if a machine is to read it."""
    name = name.strip("`")
    return Silence(f"```{name}", re.compile("```$")) if name in FENCED else None


def is_bracket_token(inner: str) -> bool:
    """Tell whether [INST] and its like stand in brackets: nothing to say."""
    return inner.strip("/") in ("INST", "SYSTEM_PROMPT", "THINK", "AVAILABLE_TOOLS", "TOOL_RESULTS")


def silence_of_token(name: str, *, opens: bool = False) -> Silence | None:
    """Return the silence that the control token <|name|>, or <|name> that `opens`, begins.

    What follows some is the name of a role or a channel, what follows others is for machines:
    the formats of Llama, ChatML, Harmony, DeepSeek, Cohere and Gemma.
    """
    name = name.lower()
    began = f"<|{name}|>"
    if name in ("im_start", "turn"):
        return Silence(began, re.compile(r"\n$"))
    if opens and (name == "channel" or _OF_MACHINES.search(name)):
        return Silence(f"<|{name}>", re.compile(rf"<{re.escape(name)}\|>$"))
    if name == "start_header_id":
        return Silence(began, re.compile(_SPECIAL.format("end_header_id") + "$"))
    if name in ("start", "channel"):
        return Silence(began, _FOR_EARS)
    for_machines = _OF_MACHINES.search(name) and "end" not in name and not name.startswith("/")
    return Silence(began, _ENDS) if for_machines else None
