"""`wyoming-csm completion`: what completes the command's words in bash, zsh and fish."""

import shlex
from collections.abc import Iterator
from typing import NamedTuple

from wyoming_csm.command_words import COMMANDS, SETTINGS, SHELLS, Command, Word

_PROGRAM = "wyoming-csm"


class _Case(NamedTuple):
    """What may come after the words of a command, or of its action."""

    path: str  # as `voices add`; empty before any command
    commands: tuple[Command, ...]
    words: tuple[Word, ...]

    @property
    def names(self) -> list[str]:
        """Return all that can be written there, options first."""
        options = [name for word in self.options for name in word.names]
        values = [choice for word in self.words if not word.is_option for choice in word.choices]
        return [*(command.name for command in self.commands), *values, *options]

    @property
    def options(self) -> list[Word]:
        """Return the words that are options."""
        return [word for word in self.words if word.is_option]


def _cases(commands: tuple[Command, ...] = COMMANDS, above: str = "") -> Iterator[_Case]:
    if not above:
        serve = commands[0]  # which is meant without a command
        yield _Case("", commands, (*serve.words, *SETTINGS))
    for command in commands:
        path = f"{above}{command.name}"
        if command.actions:
            yield _Case(path, command.actions, ())
            yield from _cases(command.actions, f"{path} ")
        else:
            yield _Case(path, (), (*command.words, *(SETTINGS if command.configured else ())))


def completion(shell: str) -> str:
    """Return a script for `bash`, `zsh` or `fish`."""
    return dict(zip(SHELLS, (_bash, _zsh, _fish), strict=True))[shell]()


def _bash() -> str:
    """Return a function that looks at the words before the one to complete."""
    lines = [
        "_wyoming_csm() {",
        "  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} path= word",
        '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        '    case "$path $word" in',
    ]
    paths = [case.path for case in _cases() if case.path]
    lines += [f"      {shlex.quote(_known(path))}) path={shlex.quote(path)} ;;" for path in paths]
    lines += ["    esac", "  done", "  COMPREPLY=()", '  case "$path $before" in']
    lines += [f"    {line} ;;" for line in _bash_values()]
    lines += ["  esac", '  case "$path" in']
    for case in _cases():
        names = shlex.quote(" ".join(case.names))
        lines.append(
            f'    {shlex.quote(case.path)}) COMPREPLY=($(compgen -W {names} -- "$current")) ;;'
        )
    lines += [
        "  esac",
        "  [[ $current == -* ]] || COMPREPLY=(${COMPREPLY[@]/#-*/})  # options when asked for",
        '  [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))',
        "}",
        f"complete -o filenames -F _wyoming_csm {_PROGRAM}",
    ]
    return "\n".join(lines) + "\n"


def _known(path: str) -> str:
    """Return the path before the last word of it, a blank, and that word."""
    above, _, last = path.rpartition(" ")
    return f"{above} {last}"


def _bash_values() -> Iterator[str]:
    """Yield the cases of options that take a value: its choices, a file, or nothing."""
    for case in _cases():
        for word in case.options:
            if not word.takes_value:
                continue
            pattern = "|".join(shlex.quote(f"{case.path} {name}") for name in word.names)
            if word.choices:
                chosen = f"-W {shlex.quote(' '.join(word.choices))}"
                yield f'{pattern}) COMPREPLY=($(compgen {chosen} -- "$current")); return'
            elif word.names_file:
                yield f'{pattern}) COMPREPLY=($(compgen -f -- "$current")); return'
            else:
                yield f"{pattern}) return"


def _zsh() -> str:
    """Return bash's function, which zsh can run."""
    return (
        "autoload -Uz compinit bashcompinit\n"
        "(( $+functions[compdef] )) || compinit\n"
        f"bashcompinit\n{_bash()}"
    )


def _fish() -> str:
    """Return a line for each word, with its meaning."""
    all_names = " ".join(command.name for command in COMMANDS)
    lines = [f"complete -c {_PROGRAM} -f"]
    for case in _cases():
        first, _, second = case.path.partition(" ")
        when = f"not __fish_seen_subcommand_from {all_names}"
        if second:
            when = f"__fish_seen_subcommand_from {first}; and __fish_seen_subcommand_from {second}"
        elif first:
            when = f"__fish_seen_subcommand_from {first}"
            if case.commands:
                actions = " ".join(action.name for action in case.commands)
                when += f"; and not __fish_seen_subcommand_from {actions}"
        begin = f"complete -c {_PROGRAM} -n {shlex.quote(when)}"
        lines += [
            f"{begin} -a {command.name} -d {shlex.quote(command.help)}" for command in case.commands
        ]
        for word in case.words:
            if word.is_option:
                lines.append(f"{begin} {_fish_option(word)}")
            elif word.choices:
                lines.append(f"{begin} -a {shlex.quote(' '.join(word.choices))}")
            elif word.names_file:
                lines.append(f"{begin} -F")
    return "\n".join(lines) + "\n"


def _fish_option(word: Word) -> str:
    names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in word.names]
    value = ["-r -F" if word.names_file else "-x"] if word.takes_value else []
    if word.choices:
        value += ["-a", shlex.quote(" ".join(word.choices))]
    return " ".join([*names, *value, "-d", shlex.quote(word.help)])
