"""A request's text and voice into sound; every route that speaks comes through here."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web
from msgspec.structs import replace

from wyoming_csm.server.http.connection import CONNECTION
from wyoming_csm.server.http.house import House, house_of
from wyoming_csm.server.http.problems import Refused
from wyoming_csm.server.http.sound import sound_of
from wyoming_csm.text.characters import mended
from wyoming_csm.text_stream import TextStream
from wyoming_csm.voice_choice import VoiceRequest, choose_voice
from wyoming_csm.voices import Voice


@dataclass(frozen=True)
class Speech:
    """What is about to be spoken, by whom, and what could not be done as it was asked for."""

    voice: Voice | None
    warnings: tuple[str, ...]
    sound: AsyncGenerator[bytes]  # 24 kHz mono s16le, while it is made

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the warnings as a header."""
        told = [f'299 wyoming-csm "{_plain(words)}"' for words in self.warnings]
        return {"Warning": ", ".join(told)} if told else {}


def check_length(house: House, text: str, name: str) -> None:
    """Raise Refused for a text that is too long."""
    most = house.config.limits.text_characters
    if len(text) > most:
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            f"{name} has {len(text)} characters: {most} are allowed (limits.text_characters)",
            param=name,
        )


def whole_text(house: House, text: str, name: str) -> TextStream:
    """Return a text that is all there. Raises Refused, which names the field."""
    check_length(house, text, name)
    stream = TextStream(house.config.limits.text_characters, lambda complaint: None)
    stream.feed(mended(text))
    stream.end()
    return stream


async def speak(
    request: web.Request,
    text: TextStream,
    wanted: VoiceRequest,
    *,
    speed: float = 1.0,
    live: bool = True,
    ssml: bool = False,
    warnings: tuple[str, ...] = (),
) -> Speech:
    """Make the speech of a text. Where nobody listens `live`, no silence is added for one who
    waits. Raises Refused."""
    house = house_of(request)
    address = address_of(request)
    voice, complaint = await house.answers.choose(wanted)
    if complaint:
        house.log.warning(
            "voice", "A request from %s cannot be fulfilled exactly: %s; the voice is %s",
            *(address, complaint, voice and voice.name),
        )  # fmt: skip
        _, missing = choose_voice(
            house.answers.engine.voices, replace(wanted, speaker=None), house.config
        )
        words = (
            await _why_another(house, wanted.name)
            if missing
            else "the voice has no such speaker: its first one speaks"
        )
        warnings = (*warnings, words)
    context = house.answers if live else house.answers.for_a_file()
    return Speech(voice, warnings, sound_of(text, voice, context, address, ssml=ssml, rate=speed))


async def _why_another(house: House, name: str | None) -> str:
    """Say why the default voice speaks for one that no engine has."""
    for voice in await house.voices_without_engine():
        if voice.name == name:
            return f"the voice {name} cannot speak here ({voice.fault}): the default one speaks"
    return "there is no such voice: the default one speaks"


def _plain(words: str) -> str:
    """Return what may stand between the quotes of a header: folders are named by people."""
    ascii_only = words.encode("ascii", "replace").decode()
    return ascii_only.replace("\\", "/").replace('"', "'")


def address_of(request: web.Request) -> str:
    """Return whose turn it is: the client's address, as Wyoming's door writes it."""
    return request[CONNECTION].address
