"""Coqui's phonemes made in its own process: what coqui-tts would read from an espeak-ng command."""
# ruff: noqa: RUF001

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from wyoming_csm.worker.coqui.phonemes import initials_apart

ROOT = Path(__file__).parents[3]

# Patterns, and what goes into them.
SENTENCES = {
    "en-us": (
        [
            "The {} is on, and it's 21.5 degrees.",
            "Turned off the {} at 7:45 pm!",
            "I couldn't find any {}; did you mean the living room?",
            "Dr. Smith's {} reads 1,024 kWh (that is 3% more)...",
            "{}",
        ],
        ["kitchen light", "NASA sensor", "café's TV", "garage door", "2nd thermostat", "naïve fan"],
    ),
    "de": (
        [
            "Das Licht {} ist an, und es sind 21,5 Grad.",
            "Um 7:45 Uhr wurde {} ausgeschaltet!",
            "Meintest du „{}“ — oder die Haustür?",
            "{}",
        ],
        ["in der Küche", "im Gäste-WC", "der Computer", "die Straßenlampe", "der 3. Ventilator"],
    ),
    "fr-fr": (
        [
            "J'ai allumé {} à 7 h 45.",
            "Il fait 21,5 °C ; {} est éteint.",
            "« {} » ? Je ne l'ai pas trouvé !",
            "{}",
        ],
        ["la lumière", "le football", "l'été", "le week-end", "la 2e porte du garage"],
    ),
    "es": (
        ["¿Apagaste {}?", "¡{} está encendida a las 7:45!", "Hace 21,5 grados en {}.", "{}"],
        ["la luz de la cocina", "el baño", "la puerta n.º 3", "el aire acondicionado"],
    ),
    "it": (
        ["Ho acceso {}.", "Sono le 7:45: {} è spento.", "Perché {} è aperta?", "{}"],
        ["la luce della cucina", "il termostato", "la porta", "il computer"],
    ),
    "nl": (
        ["{} is uitgeschakeld.", "Het is 7:45 uur, en {} staat aan!", "{}"],
        ["het keukenlicht", "de computer", "de schuifdeur", "'s avonds de ventilator"],
    ),
    "ru": (
        ["{} включён, сейчас 21,5 градуса.", "Выключить {} в 7:45?", "{}"],
        ["свет на кухне", "телевизор LG", "обогреватель", "дверной замок"],
    ),
    "pl": (
        ["Włączono {}.", "O 7:45 wyłączono {}!", "{}"],
        ["światło w kuchni", "żaluzje", "głośnik", "termostat nr 3"],
    ),
    "cmn": (
        ["{}打开了。", "现在是七点四十五分，{}关了！"],
        ["厨房的灯", "空调", "门锁 LG", "你好"],
    ),
    "vi": (["Đã bật {}.", "{} đang mở!"], ["đèn bếp", "cửa trước", "máy lạnh"]),
}
ODD = ["", " ", "[[h@l'oU]] world", "a b c", "line\nbreak", "😀 smile", "x" * 400, "_under_score_"]

SCRIPT = """
import json, os, sys
from pathlib import Path
from wyoming_csm.worker.coqui.setup import prepare
from wyoming_csm.worker.system.espeak_ng import Library

def command(_name, words):  # the library fresh in a process for each text, as a command has it
    language, file = (words[words.index(option) + 1] for option in ("-v", "-f"))
    ours, theirs = os.pipe()
    if os.fork() == 0:
        library = Library()
        library.set_voice(language)
        printed = "\\n".join(library.traced_phonemes(Path(file).read_text("utf-8")))
        os.write(theirs, printed.encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        printed = pipe.read().decode()
    os.wait()
    return [line.strip() for line in printed.strip().split("\\n") if line.strip()]

prepare(download_dir=Path(sys.argv[1]), agreed=False, debug=False)
from TTS.tts.utils.text.phonemizers import espeak_wrapper
asked = json.load(sys.stdin)
speakers = {language: espeak_wrapper.ESpeak(language) for language, _ in asked}

def phonemized(how):
    vars(espeak_wrapper)["_espeak_exe"] = how
    return [speakers[language].phonemize(text, separator="") for language, text in asked]

own = vars(espeak_wrapper)["_espeak_exe"]
by_command = phonemized(command)  # first: it forks a process that has made no phonemes yet
print(json.dumps([phonemized(own), by_command]))
"""


def sentences() -> list[tuple[str, str]]:
    found = [
        (language, pattern.format(slot))
        for language, (patterns, slots) in SENTENCES.items()
        for pattern, slot in product(patterns, slots)
    ]
    return found + [(language, text) for language in ("en-us", "fr-fr") for text in ODD]


def phonemized(folder: Path, asked: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Return ours, and a command's."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PATH": ""},  # no espeak-ng command
    )
    ours, theirs = json.loads(done.stdout)
    return ours, theirs


@pytest.mark.slow(seconds=5)
@pytest.mark.parametrize("each", [3, pytest.param(1, marks=pytest.mark.weekly)])
def test_the_phonemes_are_those_of_a_command_for_each_sentence(tmp_path: Path, each: int) -> None:
    asked = [*sentences()[::each], ("en-us", "kitchen light")]
    assert len(asked) >= 150 / each
    assert {language for language, _ in asked} == SENTENCES.keys()
    ours, theirs = phonemized(tmp_path, asked)
    known = dict(zip(asked, ours, strict=True))
    assert known == dict(zip(asked, theirs, strict=True))
    assert known["en-us", "kitchen light"] == "kˈɪtʃən lˈaɪt"


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("Seven oh five AM.", "Seven oh five eh M."),
        ("The LED strip in the US", "The L E D strip in the U S"),
        ("It is 9 PM, and I am on TV2", "It is 9 PM, and I am on TV2"),
    ],
)
def test_initials_do_not_become_words(written: str, given: str) -> None:
    assert initials_apart(written, "en-us") == given
    assert initials_apart(written, "de") == written
    assert initials_apart(written, None) == written


def test_initials_reach_the_voice_as_letters() -> None:
    """Also through the cleaner, which leaves small letters."""
    letters = "fivesmlthdaɪɛvː ˈeɪ"
    script = f"""
from wyoming_csm.worker.coqui.tokens import Description, Tokenizer
ids = {{char: number for number, char in enumerate({letters!r})}}
about = Description(
    cleaner="english_cleaners", phonemes={{"": "en-us"}}, ids=ids, blank=None, ends=None
)
back = {{number: char for char, number in ids.items()}}
print("".join(back[one] for one in Tokenizer(about).ids("Five AM.", None)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "fˈaɪv ˈeɪ ˈɛm"
