"""The script for zsh: for a folder of $fpath, or to be sourced after compinit."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from mesh.cli.completion.tree import Command, valued

_WALK = r"""
_mesh() {
    local at='' first='' wants='' word current="${words[CURRENT]}" count=0 number
    local -a commands options values arguments found
    _mesh_table ''
    for ((number = 2; number < CURRENT; number++)); do
        word="${words[number]}"
        if [[ $word == -* ]]; then
            wants=''
            [[ $word == *=* ]] || _mesh_wants "$word"
        elif [[ -n $wants ]]; then
            [[ $wants == *+ ]] || wants=''
        elif (( ${commands[(I)$word:*]} )); then
            at="${at:+$at }$word"
            count=0
            _mesh_table "$at"
        else
            (( count == 0 )) && first="$word"
            (( count += 1 ))
        fi
    done
    if [[ $current == --*=* ]]; then
        _mesh_wants "${current%%=*}"
        compset -P '*='
    elif [[ $current == -* ]]; then
        _describe -o option options
        return
    fi
    if [[ -z $wants ]]; then
        if (( ${#commands} )); then
            _describe command commands
            return
        fi
        for word in $arguments; do
            wants="$word"
            [[ $word == *+ ]] && break
            (( count == 0 )) && break
            (( count -= 1 ))
            wants=''
        done
    fi
    wants="${wants%+}"
    case $wants in
        '' | nothing) return 1 ;;
        file) _files ;;
        folder) _files -/ ;;
        words=*) found=(${(s:,:)${wants#words=}}); compadd -a found ;;
        count) found=(${(f)"$(__ASK__ count 2>/dev/null)"}); compadd -S '' -a found ;;
        *) found=(${(f)"$(__ASK__ $wants "$first" 2>/dev/null)"}); compadd -a found ;;
    esac
}

_mesh_wants() {
    local pair
    wants=''
    for pair in $values; do
        [[ $pair == "$1:"* ]] && wants="${pair#*:}"
    done
    return 0
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _mesh "$@"
else
    compdef _mesh mesh
fi
"""


def script(commands: Sequence[Command], ask: Sequence[str]) -> str:
    """`ask` is the command line of `values`."""
    table = ["#compdef mesh", "# made by: mesh completion zsh", "_mesh_table() {", "    case $1 in"]
    for one in commands:
        options = {name: option.help for option in one.options for name in option.names}
        table += [
            f"        {shlex.quote(one.path)})",
            f"            commands=({_described(one.commands)})",
            f"            options=({_described(options)})",
            f"            values=({shlex.join(f'{name}:{value.code}' for name, value in valued(one))})",
            f"            arguments=({shlex.join(value.code for value in one.arguments)})",
            "            ;;",
        ]
    return "\n".join([*table, "    esac", "}"]) + _WALK.replace("__ASK__", shlex.join(ask))


def _described(words: Mapping[str, str]) -> str:
    """`name:help`, as _describe takes them; a colon of the name's own is escaped."""
    return shlex.join(f"{name.replace(':', chr(92) + ':')}:{help}" for name, help in words.items())
