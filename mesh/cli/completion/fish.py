"""The script for fish, which takes one `complete` a thing that can stand somewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mesh.cli.completion.tree import FILE, FOLDER, NOTHING, WORDS, Command, Option, Value, valued

_WALK = r"""
# Prints where on the line the cursor is, with `|` between: the command, the number of its arguments so far, the first
# of them, and the option that takes several and is taking still.
function __mesh_where
    set -l path
    set -l arguments
    set -l wants 0
    set -l taking
    for word in (commandline -opc)[2..]
        if string match -q -- '-*' $word
            set wants 0
            set taking
            if contains -- $word (__mesh_several "$path")
                set taking $word
            else if contains -- $word (__mesh_valued "$path")
                set wants 1
            end
        else if test $wants = 1
            set wants 0
        else if test -n "$taking"
            continue
        else if contains -- $word (__mesh_commands "$path")
            set -a path $word
            set arguments
        else
            set -a arguments $word
        end
    end
    echo "$path|"(count $arguments)"|$arguments[1]|$taking"
end

function __mesh_at
    set -l at (string split '|' -- (__mesh_where))
    test "$at[1]" = "$argv[1]"; or return 1
    test (count $argv) -lt 2; and return 0
    test -z "$at[4]"; and test "$at[2]" $argv[2] $argv[3]
end

function __mesh_taking
    set -l at (string split '|' -- (__mesh_where))
    test "$at[1]" = "$argv[1]"; and test "$at[4]" = "$argv[2]"
end

function __mesh_ask
    set -l at (string split '|' -- (__mesh_where))
    __ASK__ $argv[1] "$at[3]" 2>/dev/null
end

complete -c mesh -f
"""


def script(commands: Sequence[Command], ask: Sequence[str]) -> str:
    """`ask` is the command line of `values`."""
    lines = ["# fish completion for mesh; made by: mesh completion fish"]
    lines += _table("__mesh_commands", [(one.path, list(one.commands)) for one in commands])
    lines += _table("__mesh_valued", [(one.path, [name for name, _ in valued(one)]) for one in commands])
    several = [(one.path, [name for name, value in valued(one) if value.many]) for one in commands]
    lines += _table("__mesh_several", several)
    walk = _WALK.replace("__ASK__", " ".join(map(_quoted, ask)))
    return "\n".join(lines) + walk + "\n".join(line for one in commands for line in _completions(one)) + "\n"


def _table(name: str, rows: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    cases = []
    for path, words in rows:
        cases += [f"        case {_quoted(path)}", f"            string split ' ' -- {_quoted(' '.join(words))}"]
    return [f"function {name}", '    switch "$argv[1]"', *cases, "    end", "end"]


def _completions(command: Command) -> Iterator[str]:
    at = f"__mesh_at {_quoted(command.path)}"
    for name, help in command.commands.items():
        yield f"complete -c mesh -n {_quoted(at)} -a {_quoted(name)} -d {_quoted(help)}"
    for option in command.options:
        yield f"complete -c mesh -n {_quoted(at)} {_names(option)} -d {_quoted(option.help)}{_takes(option.value)}"
    for name, value in valued(command):
        if value.many:
            taking = f"__mesh_taking {_quoted(command.path)} {_quoted(name)}"
            yield f"complete -c mesh -n {_quoted(taking)}{_takes(value, required=False)}"
    for number, value in enumerate(command.arguments):
        where = f"{at} -{'ge' if value.many else 'eq'} {number}"
        if value.kind != NOTHING:
            yield f"complete -c mesh -n {_quoted(where)}{_takes(value, required=False)}"


def _names(option: Option) -> str:
    return " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)


def _takes(value: Value | None, *, required: bool = True) -> str:
    if value is None:
        return ""
    needs = " -r" if required else ""
    if value.kind == FILE:
        return f"{needs} -F"
    if value.kind == FOLDER:
        return f"{needs} -f -a '(__fish_complete_directories)'"
    if value.kind == WORDS:
        return f"{needs} -f -a {_quoted(' '.join(value.words))}"
    return f"{needs} -f" + ("" if value.kind == NOTHING else f" -a '(__mesh_ask {value.kind})'")


def _quoted(text: str) -> str:
    """In fish only a backslash and a quote are special between single quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
