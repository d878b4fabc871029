"""The schema in words: each setting, its meaning, its choices, and what is wrong with a value."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any

import msgspec
from msgspec import inspect

# Where YAML took a value for something else: it does so with the words `no` and `2024-01-01` and
# with the number `1e3`. What msgspec expected, what it got, the cure.
_NUMBER = "write it without quotes and exponent, as 5 or 0.5"
_CURES = (
    ("`str", ("`bool`", "`int`", "`float`", "`date`", "`datetime`"), "write it in quotes"),
    ("`int", ("`str`",), _NUMBER),
    ("`float", ("`str`",), _NUMBER),
    ("`bool", ("`str`",), "write true or false, without quotes"),
)


@dataclass(frozen=True)
class Setting:
    """One setting, or a section of them, which has a `schema` of its own and no default.

    `entries` is the schema of what stands below each name that a user gives, as in `presets`.
    """

    path: str
    description: str
    default: Any = None
    choices: tuple[str, ...] = ()
    schema: type[msgspec.Struct] | None = None
    entries: type[msgspec.Struct] | None = None
    needed: bool = False

    @property
    def name(self) -> str:
        """The last part of the path: the key as it is written."""
        return self.path.rpartition(".")[2]

    @property
    def parts(self) -> tuple["Setting", ...]:
        """The settings of a section."""
        return () if self.schema is None else tuple(settings_of(self.schema, f"{self.path}."))

    @property
    def of_each(self) -> tuple["Setting", ...]:
        """The settings of each entry, below a NAME."""
        above = f"{self.path}.NAME."
        return () if self.entries is None else tuple(settings_of(self.entries, above))


def settings_of(schema: type[msgspec.Struct], above: str = "") -> Iterator[Setting]:
    """Yield the settings of a schema in its order, their paths beginning with `above`.

    The schema's docstring describes each: a line `name: meaning`, longer ones go on indented.
    """
    info = inspect.type_info(schema)
    assert isinstance(info, inspect.StructType)
    lines = cleandoc(schema.__doc__ or "").replace("\n    ", " ").splitlines()
    meanings = dict(line.split(": ", 1) for line in lines if ": " in line)
    for field in info.fields:
        path, kind = above + field.name, field.type
        if isinstance(kind, inspect.StructType):
            yield Setting(path, (kind.cls.__doc__ or "").partition("\n")[0], schema=kind.cls)
            continue
        default = None if field.required else field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        entries = kind.value_type if isinstance(kind, inspect.DictType) else None
        yield Setting(
            path,
            meanings.get(field.name, ""),
            default,
            _choices(kind),
            entries=entries.cls if isinstance(entries, inspect.StructType) else None,
            needed=field.required,
        )


def _choices(kind: inspect.Type) -> tuple[str, ...]:
    if isinstance(kind, inspect.LiteralType):
        return tuple(str(value) for value in kind.values)
    if isinstance(kind, inspect.VarTupleType):
        return _choices(kind.item_type)
    if isinstance(kind, inspect.UnionType):
        return tuple(choice for part in kind.types for choice in _choices(part))
    return ()


def complaint(
    found: Any,
    schema: type[msgspec.Struct],
    old: Mapping[str, str],
    above: str = "",
    whole: type[msgspec.Struct] | None = None,
) -> str:
    """Say what does not fit the schema: the first wrong setting's path first, and a cure last.

    An unknown setting gets the nearest right one, of its section or elsewhere in the `whole`
    schema, or what is said about an `old` name; a value of a wrong form what the schema says.
    """
    if not isinstance(found, dict):
        return "it is no table of settings, like `name: value`"
    whole = whole or schema
    known = {setting.name: setting for setting in settings_of(schema, above)}
    for name, value in found.items():
        setting = known.get(name)
        if setting is None:
            cure = old.get(str(name)) or _instead(str(name), value, list(known), whole)
            return f"{above}{name}: unknown setting; {cure}"
        if fault := _fault(name, value, schema):
            if setting.schema is not None and isinstance(value, dict):
                return complaint(value, setting.schema, old, f"{setting.path}.", whole)
            entries = [{key: one} for key, one in value.items()] if isinstance(value, dict) else []
            wrong = next((entry for entry in entries if _fault(name, entry, schema)), value)
            if setting.entries is not None and isinstance(wrong, dict) and len(wrong) == 1:
                ((key, one),) = wrong.items()
                if isinstance(key, str) and isinstance(one, dict):
                    return complaint(one, setting.entries, old, f"{setting.path}.{key}.", whole)
            return _wrong(wrong, setting, fault)
    missing = next(one for one in known.values() if one.needed and one.name not in found)
    return f"{missing.path} is missing ({missing.description})"


def _fault(name: str, value: Any, schema: type[msgspec.Struct]) -> str:
    """Return what msgspec says of a value: of a number, if quotes would not do, as of a text."""
    try:
        msgspec.convert({name: value}, schema)
    except msgspec.ValidationError as error:
        in_quotes = _fault(name, "10", schema) if type(value) in (int, float) else ""
        return in_quotes if "matching regex" in in_quotes else str(error)
    return ""


def _instead(name: str, value: Any, known: list[str], schema: type[msgspec.Struct]) -> str:
    section, _, last = name.partition(".")
    if last and section in known:
        return f"write `{section}:` and below it, indented, `{last}: {_shown(value)}`"
    paths = [one.path for above in settings_of(schema) for one in (above, *above.parts)]
    elsewhere = [path for path in paths if path.rpartition(".")[2] == name]
    near = elsewhere or difflib.get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"known are: {', '.join(known)}"


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, (str, int, float)) else "…"


def _wrong(value: Any, setting: Setting, message: str) -> str:
    for one in value if isinstance(value, list) else [value]:
        if setting.choices and isinstance(one, str) and one not in setting.choices:
            return f"{setting.path}: {one!r} is none of: {', '.join(setting.choices)}"
    text, _, where = message.partition(" - at `")
    if "matching regex" in text:
        text = "needs a unit: 10s, 10m, 1h" if "[smh]" in text else "wrong form"
    expected, _, got = text.partition(", got ")
    if expected.startswith("Expected `array"):
        text = f"write a list, as [{setting.default[0] if value == [] else _shown(value)}]"
    elif expected == "Expected `object`":
        entry = (
            "its settings"
            if setting.schema or not setting.default
            else f"`{min(setting.default)}: {_shown(value)}`"
        )
        text = f"write below it, indented, {entry}"
    for kind, taken_for, cure in _CURES:
        if kind in expected and got in taken_for:
            text = f"{text}; {cure}"
    key = f"the key {next(iter(value))!r}: " if where.startswith("key`") else ""
    meaning = f" ({setting.description})" if setting.description else ""
    return f"{setting.path}: {key}{text}{meaning}"
