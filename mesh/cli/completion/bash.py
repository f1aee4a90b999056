"""The script for bash: from 3.2, which macOS has, and without the package bash-completion."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from mesh.cli.completion.tree import Command, valued

_WALK = r"""
# Completes the last word of the line. The words are split here and not by bash, which takes Service::method apart.
_mesh() {
    local line="${COMP_LINE:0:COMP_POINT}" current path="" first="" wants="" word count=0 number
    local commands options values arguments
    local -a words
    read -r -a words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current="${words[${#words[@]} - 1]}"
    _mesh_table ""
    for ((number = 1; number < ${#words[@]} - 1; number++)); do
        word="${words[number]}"
        if [[ $word == -* ]]; then
            wants=""
            [[ $word == *=* ]] || _mesh_wants "$word"
        elif [[ -n $wants ]]; then
            [[ $wants == *+ ]] || wants=""
        elif [[ " $commands " == *" $word "* ]]; then
            path="${path:+$path }$word"
            count=0
            _mesh_table "$path"
        else
            ((count == 0)) && first="$word"
            ((count++))
        fi
    done
    if [[ $current == --*=* ]]; then
        _mesh_wants "${current%%=*}"
        current="${current#*=}"
    elif [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$current"))
        return
    fi
    if [[ -z $wants ]]; then
        if [[ -n $commands ]]; then
            COMPREPLY=($(compgen -W "$commands" -- "$current"))
            return
        fi
        for word in $arguments; do
            wants="$word"
            [[ $word == *+ ]] && break
            ((count-- == 0)) && break
            wants=""
        done
    fi
    _mesh_values "${wants%+}" "$first" "$current"
}

_mesh_wants() {
    local pair
    wants=""
    for pair in $values; do
        [[ $pair == "$1:"* ]] && wants="${pair#*:}"
    done
    return 0
}

_mesh_values() {
    local IFS=$' \t\n' choices
    case $1 in
        "" | nothing) COMPREPLY=() ;;
        file) compopt -o filenames 2>/dev/null; IFS=$'\n'; COMPREPLY=($(compgen -f -- "$3")) ;;
        folder) compopt -o filenames 2>/dev/null; IFS=$'\n'; COMPREPLY=($(compgen -d -- "$3")) ;;
        words=*) choices="${1#words=}"; COMPREPLY=($(compgen -W "${choices//,/ }" -- "$3")) ;;
        *)
            COMPREPLY=($(compgen -W "$(__ASK__ "$1" "$2" 2>/dev/null)" -- "$3"))
            [[ $1 == count ]] && compopt -o nospace 2>/dev/null
            ;;
    esac
    # bash puts back only what follows the last colon.
    if [[ $3 == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${3%"${3##*:}"}"}")
    fi
    return 0
}

complete -F _mesh mesh
"""


def script(commands: Sequence[Command], ask: Sequence[str]) -> str:
    """`ask` is the command line of `values`."""
    table = ["# bash completion for mesh; made by: mesh completion bash", "_mesh_table() {", "    case $1 in"]
    table += [f"        {shlex.quote(one.path)}) {_row(one)} ;;" for one in commands]
    table += ["        *) commands='' options='' values='' arguments='' ;;", "    esac", "}"]
    return "\n".join(table) + _WALK.replace("__ASK__", shlex.join(ask))


def _row(command: Command) -> str:
    parts = {
        "commands": command.commands,
        "options": [name for option in command.options for name in option.names],
        "values": [f"{name}:{value.code}" for name, value in valued(command)],
        "arguments": [value.code for value in command.arguments],
    }
    return " ".join(f"{key}={shlex.quote(' '.join(words))}" for key, words in parts.items())
