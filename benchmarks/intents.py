"""Home Assistant's own answers, with the names, numbers, units and times of a home."""

# ruff: noqa: RUF001, SIM905  (look-alike characters are meant; words read best as words)

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, SupportsIndex

LANGUAGES = ("en", "de", "fr", "es", "it", "nl")
NAMES = {
    "en": "Kitchen light|Garage door|Dr. Miller's lamp|TV 2|Bedroom No. 3|Washer #1|A/C",
    "de": "Küchenlicht|Garagentor|Lampe Nr. 3|TV 2|Heizung OG|Waschmaschine 1|Büro & Flur",
    "fr": "Lampe cuisine|Porte du garage|Chambre n° 3|TV 2|Prise 1|Lave-linge|Salon & entrée",
    "es": "Luz cocina|Puerta garaje|Habitación n.º 3|TV 2|Enchufe 1|Lavadora|Salón & entrada",
    "it": "Luce cucina|Porta garage|Camera n. 3|TV 2|Presa 1|Lavatrice|Salotto & ingresso",
    "nl": "Keukenlamp|Garagedeur|Kamer nr. 3|TV 2|Stopcontact 1|Wasmachine|Woonkamer & hal",
}
STATES = (
    "21.5 °C|1 %|45 %|1,234.5 kWh|−5 °C|35 μg/m³|850 ppm|1013.2 hPa|-67 dBm|12 km/h|3/4|10:30|"
    "2026-11-27T10:30|on|230 V|5.2 A|2.5 m³/h|1 h|90 s|1h 30min|0.32 €/kWh|$3.50|v2.1.0|H264|"
    "320 lx|98.6 °F|3 in|150 Mbit/s|~5 min|≥ 20 %|N 5 km/h|CO₂|PM2.5"
).split("|")


class _Value(dict[str, Any]):
    """Anything that a template asks for: a number, a list, a text, a thing with attributes."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__()
        self.text, self.number = text, number

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __missing__(self, name: str) -> Any:
        return _Value(self.text, self.number)

    def __str__(self) -> str:
        return self.text

    def __int__(self) -> int:
        return self.number

    def __index__(self) -> int:
        return self.number

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    def __add__(self, other: SupportsIndex) -> int:
        return self.number + int(other)

    def __lt__(self, other: object) -> bool:
        return str(self) < str(other)


def answers(folder: Path, language: str, sets: int) -> Iterator[str]:
    """Yield each answer of `home_assistant_intents/data` in a folder, with `sets` sets of slots."""
    import jinja2

    data = json.loads((folder / f"{language}.json").read_text(encoding="utf-8"))["responses"]
    templates = list(data["errors"].values())
    templates += [one for intent in data["intents"].values() for one in intent.values()]
    environment = jinja2.Environment(undefined=jinja2.ChainableUndefined, autoescape=False)
    chance = random.Random(1)
    for template in templates:
        compiled = environment.from_string(template)
        for _ in range(sets):
            try:
                yield " ".join(compiled.render(_slots(language, chance)).split())
            except (TypeError, ValueError, jinja2.UndefinedError):
                continue  # it computes with what is no number here


def _slots(language: str, chance: random.Random) -> dict[str, Any]:
    names = NAMES[language].split("|")
    number = chance.choice([0, 1, 2, 5, 12, 21, 30, 59, 80, 100])
    name, state = chance.choice(names), chance.choice(STATES)
    thing = _Value(name, number)
    thing |= {"state": state, "state_with_unit": state, "name": name, "domain": "light"}
    thing["attributes"] = _Value(state, number)
    slots = _Value(name, number)
    for slot in ("brightness", "percentage", "position", "volume_level", "temperature"):
        slots[slot] = str(number)
    slots |= {"hours": number % 24, "minutes": number % 60, "seconds": number % 60, "state": "on"}
    slots |= {"date": "2026-11-27", "time": "10:30:00", "name": name, "item": f"{number} kg"}
    matched = [thing] * chance.randrange(6)
    timers = [_timer(name, number)] * chance.randrange(1, 3)
    return {
        "slots": slots, "state": thing, "area": name, "floor": "2", "domain": "light",
        "device_class": "door", "entity": name, "query": {"matched": matched, "unmatched": matched},
        "timers": timers, "completed_timers": number, "canceled": 2, "names": names,
    } | dict(slots)  # fmt: skip


def _timer(name: str, number: int) -> _Value:
    timer = _Value(name, number)
    timer |= {
        "is_active": True, "name": name, "area": name, "start_hours": number % 3,
        "start_minutes": number % 60, "start_seconds": 0, "rounded_hours_left": number % 3,
        "rounded_minutes_left": number % 60, "rounded_seconds_left": number % 60,
        "total_seconds_left": number,
    }  # fmt: skip
    return timer
