"""The schema in words: each setting, its meaning, its choices, and what is wrong with a value."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import inspect


@dataclass(frozen=True)
class Setting:
    """One setting, or a section of them: `default` is None and `parts` its settings then."""

    path: str
    description: str
    default: Any
    choices: tuple[str, ...] = ()
    parts: tuple["Setting", ...] = ()

    @property
    def name(self) -> str:
        """The last part of the path: the key as it is written."""
        return self.path.rpartition(".")[2]


def settings_of(schema: type[msgspec.Struct], above: str = "") -> Iterator[Setting]:
    """The settings of a schema in its order."""
    info = inspect.type_info(schema)
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        path = f"{above}.{field.name}" if above else field.name
        kind, description = field.type, ""
        if isinstance(kind, inspect.Metadata):
            description = str((kind.extra_json_schema or {}).get("description", ""))
            kind = kind.type
        if isinstance(kind, inspect.StructType):
            parts = tuple(settings_of(kind.cls, path))
            yield Setting(path, (kind.cls.__doc__ or "").strip(), None, parts=parts)
            continue
        default = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        yield Setting(path, description, default, choices=_choices(kind))


def _choices(kind: inspect.Type) -> tuple[str, ...]:
    if isinstance(kind, inspect.LiteralType):
        return tuple(str(value) for value in kind.values)
    if isinstance(kind, inspect.VarTupleType):
        return _choices(kind.item_type)
    if isinstance(kind, inspect.UnionType):
        return tuple(choice for part in kind.types for choice in _choices(part))
    return ()


def explain(message: str, schema: type[msgspec.Struct]) -> str:
    """msgspec's complaint with the setting's path first and a cure last.

    An unknown setting gets the nearest right one; a value of a wrong form what the schema says.
    """
    text, _, where = message.partition(" - at `")
    is_key = where.startswith("key` in `")
    path = where.removeprefix("key` in `").rstrip("`").removeprefix("$").removeprefix(".")
    path = re.sub(r"\[\.\.\.\]$", "", path)
    known = list(settings_of(schema))
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", text, re.DOTALL)
    if unknown is not None:
        section = _find(known, path)
        names = [setting.name for setting in (section.parts if section else known)]
        elsewhere = [part.path for above in known for part in (above, *above.parts)]
        elsewhere = [other for other in elsewhere if other.rpartition(".")[2] == unknown[1]]
        return f"{path + '.' if path else ''}{unknown[1]}: unknown setting; " + (
            f"did you mean {' or '.join(map(repr, elsewhere))}?"
            if elsewhere
            else _nearest(unknown[1], names)
        )
    setting = _find(known, re.sub(r"\[.*", "", path))
    text = quotes_hint(re.sub(r"Expected `str( \| null)?` matching regex .*", "wrong form", text))
    if setting is not None and setting.choices and text.startswith("Invalid enum value"):
        wrong = text.removeprefix("Invalid enum value ")
        text = f"{wrong} is none of: {', '.join(setting.choices)}"
    elif setting is not None and setting.description:
        text = f"{text} ({setting.description})"
    where = ": ".join(filter(None, (path, "a key" if is_key else "")))
    return f"{where}: {text}" if where else text


def quotes_hint(message: str) -> str:
    """msgspec's message, with the cure where YAML took a value for something else, as it does
    with the words `no` and `2024-01-01` and with the number `1e3`."""
    if message.startswith("Expected `str") and re.search(
        r"got `(bool|int|float|date|datetime)`", message
    ):
        return f"{message}; write it in quotes"
    if re.match(r"Expected `(int|float)( \| null)?`, got `str`", message):
        return f"{message}; write it without quotes and exponent, as 5 or 0.5"
    if message == "Expected `bool`, got `str`":
        return f"{message}; write true or false, without quotes"
    return message


def _find(settings: list[Setting], path: str) -> Setting | None:
    for setting in settings:
        if setting.path == path:
            return setting
        if path.startswith(f"{setting.path}."):
            return _find(list(setting.parts), path)
    return None


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(names)}"
