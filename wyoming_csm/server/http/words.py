"""What would be spoken of a text: its sentences as they are read aloud, and why."""

import asyncio

import msgspec
from aiohttp import web

from wyoming_csm.answer import AnswerContext
from wyoming_csm.server.http.bodies import Name, read_json
from wyoming_csm.server.http.house import house_of
from wyoming_csm.server.http.respond import json_answer
from wyoming_csm.server.http.speak import check_length
from wyoming_csm.text.characters import mended
from wyoming_csm.text.pieces import Pause
from wyoming_csm.text.reader import TextReader
from wyoming_csm.voice_choice import VoiceRequest
from wyoming_csm.voices import Voice
from wyoming_csm.wording import Wording


class WordsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A text, and the voice that would speak it."""

    text: str
    voice: Name | None = None
    ssml: bool = False


class Change(msgspec.Struct, frozen=True):
    """A place that is read otherwise than it is written, and the rule."""

    rule: str
    before: str
    after: str


class Sentence(msgspec.Struct, frozen=True):
    """A sentence as it is read aloud, or seconds of silence."""

    text: str
    pause: float = 0.0
    changes: tuple[Change, ...] = ()


class Words(msgspec.Struct, frozen=True):
    """What would be spoken."""

    language: str
    sentences: list[Sentence]


async def words(request: web.Request) -> web.Response:
    """Answer POST /api/words."""
    house = house_of(request)
    wish = await read_json(request, WordsRequest)
    check_length(house, wish.text, "text")
    wanted = VoiceRequest(name=wish.voice or None)
    voice, _ = await house.answers.choose(wanted)
    found = await asyncio.to_thread(_sentences, wish, voice, house.answers)
    return json_answer(Words(voice.language if voice else house.config.language, found))


def _sentences(wish: WordsRequest, voice: Voice | None, context: AnswerContext) -> list[Sentence]:
    """Cut a text as an answer does. Raises RequestError."""
    if voice is None:
        return []
    reader = TextReader(voice.language, ssml=wish.ssml, style=context.config.reading)
    wording = Wording(voice, context.engine, context.lexicons, context.config)
    found = []
    for piece in (*reader.push(mended(wish.text)), *reader.finish()):
        if isinstance(piece, Pause):
            found.append(Sentence("", piece.seconds))
            continue
        said = wording.words_of(piece)
        changes = tuple(Change(one.rule, one.before, one.after) for one in said.changes)
        found.append(Sentence(said.text, changes=changes))
    return found
