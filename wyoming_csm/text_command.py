"""`wyoming-csm text`: what would be spoken of each line, by the same code as the server's."""

from collections.abc import Iterable

from wyoming_csm.app import App
from wyoming_csm.config import Config, EngineName
from wyoming_csm.errors import RequestError
from wyoming_csm.text.pieces import Pause
from wyoming_csm.text.reader import TextReader
from wyoming_csm.voice_choice import VoiceRequest, choose_voice, of_language
from wyoming_csm.voices import Voice
from wyoming_csm.wording import Wording


def print_words(
    lines: Iterable[str],
    config: Config,
    *,
    language: str | None = None,
    engine: EngineName | None = None,
    ssml: bool = False,
    explain: bool = False,
) -> None:
    """Print the words of each line and, if they are to be explained, its changes under it.

    They are for the configured voice; with a `language`, for the voice that a request for that
    gets; with an `engine`, for one of that engine's. Raises RequestError for SSML that is refused,
    and for a voice that does not exist; ConfigError.
    """
    app = App(config)
    voice = _choose(app, config, language, engine)
    for line in lines:
        print(*_line(line.rstrip("\n"), voice, app, config, ssml, explain), sep="\n", flush=True)


def _line(
    line: str, voice: Voice, app: App, config: Config, ssml: bool, explain: bool
) -> list[str]:
    """Return the words of a line, then its changes."""
    reader = TextReader(voice.language, ssml=ssml, style=config.reading)
    wording = Wording(voice, app.engine, app.lexicons, config)
    said, changes, speaker = [], [], voice
    for piece in (*reader.push(line), *reader.finish()):
        if isinstance(piece, Pause):
            said.append(f"[pause {piece.seconds:g} s]")
            continue
        before, speaker = speaker, wording.voice_of(piece)
        if before.name != speaker.name:
            said.append(f"[{speaker.name}]")
        words = wording.words_of(piece)
        said.append(words.text)
        changes += [f"  {one.rule}: {one.before} → {one.after}" for one in words.changes]
    changes += [f"  no voice here has it: {one}" for one in sorted(wording.unspoken)]
    return [" ".join(said), *(changes if explain else ())]


def _choose(app: App, config: Config, language: str | None, engine: EngineName | None) -> Voice:
    """Return the voice that says it. Raises RequestError."""
    voices = [one for one in app.engine.voices if engine in (None, one.engine)]
    wanted = VoiceRequest(name=config.voice if language is None else None, language=language)
    voice, complaint = choose_voice(voices, wanted, config)
    if voice is not None and not complaint:
        return voice
    if config.voice is not None and language is None and not engine:
        raise RequestError(app.why_no_voice(config.voice))
    # The rules of a language need no voice.
    own = language or config.language
    found = next(iter(of_language(app.engine.voices, own)), None)
    return found or Voice(name="", language=own, description="", engine=engine or "")
