"""The languages of the system voice, and the synthesisers that speak them."""

import importlib.util
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from wyoming_csm.errors import EngineUnavailable
from wyoming_csm.worker.system.espeak_ng import find_command
from wyoming_csm.worker.system.further_voices import FURTHER

HIBARI = "Hibari"
PICO = "SVOX Pico"
ESPEAK = "eSpeak NG"
PLATFORM = "the platform's voice"
# At which each speaks better than its stretched sound: of what Hibari and Pico say faster more is
# lost.
RATES = {HIBARI: (0.5, 1.0), PICO: (0.5, 1.0), ESPEAK: (0.5, 2.0), PLATFORM: (0.5, 2.0)}
_PLATFORMS = ("win32", "darwin")  # where pyttsx3 finds a voice that came with the machine


class Language(NamedTuple):
    """A voice of the system's, by its name: its language's tag in Home Assistant, its title, and
    what each synthesiser that may speak for it calls the language."""

    name: str
    tag: str
    title: str
    codes: Mapping[str, str]


_HIBARI = "en-US"
_BRITISH = FURTHER[0]
_PICO = """
en-US=en-us English (US), en-GB=en-gb English (UK), de-DE=de German, es-ES=es Spanish,
fr-FR=fr-fr French, it-IT=it Italian
"""

# Home Assistant's tag, `=` and espeak-ng's where it is another, the name. Constructed languages
# but Esperanto and Interlingua are left out, and so are second voices of one language.
_ESPEAK = """
af Afrikaans, am Amharic, an Aragonese, ar Arabic, as Assamese, az Azerbaijani, ba Bashkir,
be Belarusian, bg Bulgarian, bn Bengali, bs Bosnian, ca Catalan, cs Czech, cv Chuvash, cy Welsh,
da Danish, el Greek, eo Esperanto, et Estonian, eu Basque, fa Persian, fi Finnish, fo Faroese,
ga Irish, gd Scottish Gaelic, gn Guarani, grc Ancient Greek, gu Gujarati, hak Hakka,
haw Hawaiian, he Hebrew, hi Hindi, hr Croatian, ht Haitian Creole, hu Hungarian, hy Armenian,
hyw Western Armenian, ia Interlingua, id Indonesian, is Icelandic, ja Japanese, ka Georgian,
kaa Karakalpak, kk Kazakh, kl Greenlandic, kn Kannada, ko Korean, kok Konkani, ku Kurdish,
ky Kyrgyz, la Latin, lb Luxembourgish, lt Lithuanian, ltg Latgalian, lv Latvian, mi Māori,
mk Macedonian, ml Malayalam, mr Marathi, ms Malay, mt Maltese, my Burmese, nb Norwegian Bokmål,
ne Nepali, nl Dutch, nog Nogai, om Oromo, or Odia, pa Punjabi, pap Papiamento, pl Polish,
pt-PT=pt Portuguese (Portugal), pt-BR=pt-br Portuguese (Brazil), qu Quechua, ro Romanian,
ru Russian, sd Sindhi, shn Shan, si Sinhala, sk Slovak, sl Slovenian, smj Lule Sámi, sq Albanian,
sr Serbian, sv Swedish, sw Swahili, ta Tamil, te Telugu, th Thai, ti Tigrinya, tk Turkmen,
tn Setswana, tr Turkish, tt Tatar, ug Uyghur, uk Ukrainian, ur Urdu, uz Uzbek, vi Vietnamese,
yue Cantonese, zh=cmn Mandarin Chinese
"""


def languages(fetched: Collection[str] = ()) -> Iterator[Language]:
    """List all languages, US English first; it has a second voice, Pico's.

    `fetched`: those of Hibari's further voices that are here. British English is Emma's then, and
    each other one is a voice of its own.
    """
    codes = {}
    for table in (_PICO, _ESPEAK):
        for entry in " ".join(table.split()).split(", "):
            code, _, title = entry.partition(" ")
            tag, _, espeak = code.partition("=")
            codes[tag] = {ESPEAK: espeak or tag, PLATFORM: tag}
            if table is _PICO:
                codes[tag] = {PICO: tag, **codes[tag]}
            if tag == _HIBARI:
                yield Language(f"system_{tag}", tag, title, {HIBARI: tag, **codes[tag]})
                yield Language(f"system_pico_{tag}", tag, title, codes[tag])
            elif tag == _BRITISH.tag and _BRITISH.name in fetched:
                by = {HIBARI: _BRITISH.name, **codes[tag]}
                yield Language(f"system_{tag}", tag, _BRITISH.title, by)
            else:
                yield Language(f"system_{tag}", tag, title, codes[tag])
    for one in FURTHER:
        if one.name in fetched and one is not _BRITISH:
            by = {HIBARI: one.name, **codes[one.tag]}
            yield Language(f"system_{one.name}_{one.tag}", one.tag, one.title, by)


def espeak_code(language: str) -> str | None:
    """Return what eSpeak NG calls a language (`pt_BR`, `zh-TW`), None if it does not speak it."""
    tag = language.replace("_", "-").lower()
    codes = {one.tag.lower(): one.codes[ESPEAK] for one in reversed(list(languages()))}
    primaries = {known.partition("-")[0]: code for known, code in codes.items()}
    return codes.get(tag) or primaries.get(tag.partition("-")[0])


def find_synthesisers() -> tuple[str, ...]:
    """Name those that are installed, the best first. Raises EngineUnavailable if there is none."""
    found = []
    if all(map(importlib.util.find_spec, ("hibari", "onnxruntime"))):
        found.append(HIBARI)
    if importlib.util.find_spec("py_nanotts") is not None:
        found.append(PICO)
    if find_command() is not None:
        found.append(ESPEAK)
    if not found and sys.platform in _PLATFORMS and importlib.util.find_spec("pyttsx3") is not None:
        found.append(PLATFORM)
    if not found:
        raise EngineUnavailable(
            "no small voice is installed",
            "pip install py-nanotts espeakng-loader, or install the package espeak-ng",
        )
    return tuple(found)
