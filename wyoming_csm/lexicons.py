"""The lexicons of the installation, of voices and of presets: files, read while they change."""

import hashlib
import logging
import unicodedata
from pathlib import Path

from wyoming_csm.config import Config
from wyoming_csm.documents import DocumentError, parse_document, read_text
from wyoming_csm.errors import ABSENT, ConfigError
from wyoming_csm.text.lexicon import Lexicon, read_entries, replacements
from wyoming_csm.voice_book import MAX_VOICES
from wyoming_csm.voices import Voice

_LOGGER = logging.getLogger(__name__)

FILE = "lexicon.yaml"
_NONE = (b"", None)


class Lexicons:
    """What is said instead of what is written, for each voice. A file that cannot be used is one
    warning, and what it had before counts on."""

    def __init__(self, config: Config) -> None:
        """Read the files. Raises ConfigError for a wrong lexicon of a preset."""
        self._file, self._voices = Path(config.lexicon), Path(config.voices)
        self._presets: dict[str, Lexicon] = {}
        for name, preset in config.presets.items():
            try:
                self._presets[name] = Lexicon(read_entries(preset.lexicon))
            except ConfigError as error:
                raise ConfigError(f"presets.{name}.lexicon: {error}") from error
        # By file: a digest of it, or of why it cannot be read, and what is used of it.
        self._found: dict[Path, tuple[bytes, Lexicon | None]] = {}
        self._of_voices: dict[str, Lexicon] = {}
        self.content = ""  # a mark of what the files have, if there are any: alike everywhere
        self.refresh()

    def refresh(self) -> None:
        """Look at the files again, from any thread.

        All are read: they are small, and a shared disk may show the times of files late, or only
        whole seconds of them. Only those that changed are parsed.
        """
        looked = {path: self._read(path) for path in (self._file, *self._files_of_voices())}
        self._found = {path: found for path, found in looked.items() if found is not None}
        of_voices = {
            unicodedata.normalize("NFC", path.parent.name): found
            for path, found in self._found.items()
            if path != self._file
        }
        self._of_voices = {name: found for name, (_, found) in of_voices.items() if found}
        every = [(name, content) for name, (content, _) in sorted(of_voices.items())]
        if self._file in self._found:
            every.append(("", self._found[self._file][0]))
        digest = hashlib.sha256(b"".join(name.encode() + b"\0" + one for name, one in every))
        self.content = digest.hexdigest()[:8] if every else ""

    def replacements(self, text: str, voice: Voice) -> list[tuple[str, str]]:
        """Return the parts of a sentence, each as written and as this voice is to say it: its
        preset's entries count before its own, and those before the installation's."""
        there = (
            self._presets.get(voice.name),
            self._of_voices.get(voice.base or voice.name),
            self._found.get(self._file, _NONE)[1],
        )
        return replacements(text, [lexicon for lexicon in there if lexicon is not None])

    def _files_of_voices(self) -> list[Path]:
        try:
            found = [p for p in self._voices.iterdir() if p.name[0] != "."]
            folders = sorted(p for p in found if p.name.isprintable())  # no voice has another name
        except FileNotFoundError:
            return []
        except OSError:  # the book of voices says it, and keeps what it has, too
            return [path for path in self._found if path != self._file]
        return [folder / FILE for folder in folders[:MAX_VOICES]]

    def _read(self, path: Path) -> tuple[bytes, Lexicon | None] | None:
        """Return a digest of a file and what is used of it; None: there is surely no file."""
        text, fault = "", ""
        try:
            text = read_text(path)
        except DocumentError as error:
            if isinstance(error.__cause__, ABSENT):
                return None
            fault = str(error)
        content = hashlib.sha256(f"{fault}\n{text}".encode()).digest()
        known, before = self._found.get(path, _NONE)
        if known == content:
            return known, before
        try:
            if not fault:
                return content, Lexicon(read_entries(parse_document(text)))
        except (DocumentError, ConfigError) as error:
            fault = str(error)
        rest = "; what it had before is used" if before else ""
        _LOGGER.warning("The lexicon %s cannot be used: %s%s", path, fault, rest)
        return content, before
