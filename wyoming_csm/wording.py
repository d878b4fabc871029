"""Which voice says a sentence, and in which words: one way for answers and `wyoming-csm text`."""

from collections.abc import Sequence
from typing import Protocol

from wyoming_csm.config import Config
from wyoming_csm.lexicons import Lexicons
from wyoming_csm.text.pieces import Speak
from wyoming_csm.text.spoken import Change, Sentence, explained
from wyoming_csm.voice_choice import VoiceRequest, choose_voice, of_language
from wyoming_csm.voices import Voice


class Voices(Protocol):
    """What knows all voices that there are: the engines."""

    @property
    def voices(self) -> Sequence[Voice]:
        """Return them."""

    def voice_for(self, voice: Voice) -> Voice | None:
        """Return the one that speaks for it, None if none can."""


class Wording:
    """The voices and words of one text's sentences."""

    def __init__(
        self,
        voice: Voice | None,
        voices: Voices,
        lexicons: Lexicons,
        config: Config,
    ) -> None:
        """Take the voice that the text is for; without one there are no words."""
        self._own, self._all = voice, voices
        self._lexicons, self._config = lexicons, config
        self._found: dict[tuple[str, str, bool], Voice] = {}  # by what sentences ask for
        self.unspoken: set[str] = set()  # languages that were asked for, and no voice has

    def voice_of(self, sentence: Speak) -> Voice:
        """Return the voice that a sentence names, if there is one; or one that has its language, if
        the voice without that does not."""
        asked = sentence.voice, sentence.language, sentence.inner
        if asked not in self._found:
            self._found[asked] = self._choose(*asked)
        return self._found[asked]

    def words_of(self, sentence: Speak) -> Sentence:
        """Return the words, and what made each of them: the voice's lexicons, then the rules of the
        sentence's language."""
        voice = self.voice_of(sentence)
        asked = sentence.language
        language = asked if asked and of_language([voice], asked) else voice.language
        replaced = self._lexicons.replacements(sentence.text, voice)
        said = explained("".join(said for _, said in replaced), language)
        respelled = [Change("lexicon", old, new) for old, new in replaced if old != new]
        return Sentence(said.text, [*respelled, *said.changes])

    def _choose(self, name: str, language: str, inner: bool) -> Voice:
        assert self._own is not None
        named = self._named(name) if name else None
        voice = named or self._own
        if not language or (named and not inner) or of_language([voice], language):
            return voice
        wanted = VoiceRequest(language=language)
        found, complaint = choose_voice(self._all.voices, wanted, self._config)
        if found and not complaint and self._all.voice_for(found):
            return self._own if found.name == self._own.name else found
        self.unspoken.add(language)
        return voice

    def _named(self, name: str) -> Voice | None:
        if self._own and name == self._own.name:
            return self._own
        found = next((one for one in self._all.voices if one.name == name), None)
        return found if found and self._all.voice_for(found) else None
