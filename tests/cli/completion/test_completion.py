"""Completion in real shells: bash always, zsh and fish where they are installed."""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mesh.cli.completion import SHELLS, values
from mesh.cli.completion.tree import ASKED, commands_of
from mesh.cli.main import make_parser

ASK = (sys.executable, "-I", "-S", str(Path(values.__file__)))
IDL = """
// service Ghost { void boo() }
/* service Ghost { void boo() } */
struct Order { 1: required i32 count (min = "1") }
service Shop {
  Order buy(1: Order order) throws (1: SoldOut sold_out) (idempotent = "true", note = "x) { service Fake { void no() }")
  void wait(1: double seconds) (timeout_ms = "60000"),
  map<string, list<i32>> count_all()
} (owner = "retail")
service Back extends Shop { oneway void refill() # void no()
}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two services in cluster.toml, a running cluster, a contract, a file and a folder."""
    (tmp_path / "cluster.toml").write_text("[services.shop]\n[services.stock]\n")
    (tmp_path / "idl" / "deep").mkdir(parents=True)
    (tmp_path / "idl" / "shop.thrift").write_text(IDL)
    (tmp_path / "idl" / "deep" / "other.thrift").write_text("service Other { void ping() }")
    state = {"services": {"shop": [{"id": "shop-1"}, {"id": "shop-2"}], "extra": []}}
    run = tmp_path / ".mesh" / "city"
    run.mkdir(parents=True)
    (run / "state.json").write_text(json.dumps(state))
    below = tmp_path / "below"
    below.mkdir()
    return tmp_path


def script(shell: str) -> str:
    return SHELLS[shell](commands_of(make_parser()), ASK)


BASH = """
source "$1"
COMP_LINE="$2" COMP_POINT=${#2} COMP_WORDS=($2)
_mesh
printf '%s\\n' "${COMPREPLY[@]}"
"""


def in_bash(line: str, folder: Path) -> list[str]:
    file = folder / ".script"
    file.write_text(script("bash"))
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-c", BASH, "bash", str(file), line],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


def in_fish(line: str, folder: Path) -> list[str]:
    file = folder / ".script"
    file.write_text(script("fish"))
    code = f"source {shlex.quote(str(file))}; complete -C {shlex.quote(line)}"
    done = subprocess.run(
        ["fish", "--no-config", "-c", code],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return [found.partition("\t")[0] for found in done.stdout.splitlines()]


def in_zsh(line: str, folder: Path) -> list[str]:
    """A real completion in a pseudo-terminal; what compadd is given, and matches, is written down."""
    (folder / "_mesh").write_text(script("zsh"))
    (folder / ".zshrc").write_text(
        "fpath=($ZDOTDIR $fpath)\nautoload -Uz compinit && compinit -u -d $ZDOTDIR/.dump\n"
        "compadd() { local -a hits; builtin compadd -O hits \"$@\"; print -rl -- $hits >> $ZDOTDIR/hits;"
        " builtin compadd \"$@\" }\n"
        "done-now() { print -r -- END >> $ZDOTDIR/hits; }\nzle -N done-now\nbindkey '^X' done-now\nPS1='READY> '\n"
        "setopt NO_BEEP\nunsetopt LIST_BEEP\nzstyle ':completion:*' menu no\nLISTMAX=1000\n"
    )  # fmt: skip
    (folder / "hits").write_text("")
    env = {**environment(), "ZDOTDIR": str(folder), "TERM": "dumb"}
    with Terminal(["zsh", "-i"], folder, env) as terminal:
        terminal.until("READY> ")
        terminal.send(f"{line}\t\x18")
        give_up = time.monotonic() + 10
        while "END" not in (found := (folder / "hits").read_text().split("\n")):
            terminal.read(0.05)
            assert time.monotonic() < give_up, terminal.seen
    return sorted({word for word in found if word and word != "END"})


class Terminal:
    """A program on a pseudo-terminal of its own."""

    def __init__(self, command: list[str], folder: Path, env: dict[str, str]) -> None:
        self.seen = ""
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def send(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def read(self, wait_s: float) -> None:
        if select.select([self._master], [], [], wait_s)[0]:
            self.seen += os.read(self._master, 65536).decode("utf-8", "replace")

    def until(self, text: str) -> str:
        give_up = time.monotonic() + 20
        while text not in self.seen:
            self.read(0.1)
            assert time.monotonic() < give_up, self.seen
        return self.seen


def environment() -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("MESH_", "CONSUL_"))}
    return {**kept, "HOME": "/nonexistent"}


def installed(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed on this machine")


IN = [
    pytest.param(in_bash, id="bash"),
    pytest.param(in_zsh, id="zsh", marks=installed("zsh")),
    pytest.param(in_fish, id="fish", marks=installed("fish")),
]


@pytest.mark.integration
@pytest.mark.parametrize("complete", IN)
@pytest.mark.parametrize(
    ("line", "there", "not_there"),
    [
        ("mesh ", {"up", "call", "idl", "doctor", "completion"}, {"check", "--debug"}),
        ("mesh idl ", {"check", "build"}, {"up", "call"}),
        ("mesh --debug idl ch", {"check"}, {"build"}),
        ("mesh idl check --", {"--json", "--help"}, {"--check", "check"}),
        ("mesh completion ", {"bash", "zsh", "fish"}, {"up"}),
        ("mesh call ", {"shop", "stock", "extra"}, {"idl", "--json"}),
        ("mesh call sho", {"shop"}, {"stock"}),
        ("mesh call --timeout 5 --json st", {"stock"}, {"shop"}),
        (
            "mesh call shop ",
            {"Shop::buy", "Shop::wait", "Shop::count_all", "Back::refill"},
            {"Other::ping", "Ghost::boo"},
        ),
        ("mesh call shop Shop::b", {"Shop::buy"}, {"Shop::wait"}),
        ("mesh up --only shop st", {"stock"}, {"extra/"}),
        ("mesh list --cluster ", {"city"}, {"shop"}),
        ("mesh describe --idl idl/s", {"idl/shop.thrift"}, {"city"}),
        ("mesh idl check id", {"idl/"}, {"shop"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_key_press_offers(complete, line, there, not_there, project: Path) -> None:  # type: ignore[no-untyped-def]
    found = {word.rstrip(":") for word in complete(line, project)}
    if "Shop::" in line and complete is in_bash:
        found = {f"Shop::{word}" for word in found}  # bash puts back what follows the last colon
    if complete is not in_fish:  # a folder's slash, and where its name is broken off, are the shell's own ways
        found |= {f"{word}/" for word in found} | {f"idl/{word}" for word in found}
    assert there <= found
    assert not found & not_there


@pytest.mark.integration
def test_a_key_press_in_a_real_bash(project: Path) -> None:
    (project / ".rc").write_text(script("bash") + "\nPS1='READY> '\nbind 'set enable-bracketed-paste off'\n")
    with Terminal(["bash", "--rcfile", ".rc", "-i"], project, {**environment(), "TERM": "dumb"}) as terminal:
        terminal.until("READY> ")
        terminal.send("mesh des\tsho\t--js\t")
        terminal.until("mesh describe shop --json")
        terminal.send("\x15mesh call shop Shop::b\t")
        terminal.until("mesh call shop Shop::buy")


@pytest.mark.integration
def test_the_static_part_takes_no_time(project: Path) -> None:
    """Within 150 ms, bash's own start included; the program that it must not start would need half a second."""
    took = []
    for _ in range(5):
        begun = time.monotonic()
        in_bash("mesh idl check --j", project)
        took.append(time.monotonic() - begun)
    assert min(took) < 0.15, took  # the best of five: the machine has other things to do


def test_all_that_the_parser_knows_is_there() -> None:
    """Each command's row in each script, each option in its command's row: also of commands made later."""
    commands = {one.path: one for one in commands_of(make_parser())}
    assert {"", "up", "idl", "idl check"} <= set(commands)
    for shell in SHELLS:
        text = script(shell)
        for path, one in commands.items():
            assert path in text
            for option in one.options:
                for name in option.names:
                    assert name in text or f"-l {name[2:]}" in text or f"-s {name[1:]} " in text


def test_what_an_argument_takes_is_read_off_the_parser() -> None:
    parser = argparse.ArgumentParser(prog="mesh")
    below = parser.add_subparsers()
    one = below.add_parser("one", help="100%% of it's\n  two lines")
    one.add_argument("service", metavar="SERVICE")
    one.add_argument("paths", metavar="FILES", nargs="+")
    one.add_argument("--as", choices=("json", "text"), help="a 'quoted' help: $HOME `id`")
    one.add_argument("--file", type=Path)
    one.add_argument("--text")
    one.add_argument("--flag", action="store_true")
    top, found = commands_of(parser)
    assert top.commands == {"one": "100% of it's two lines"}
    assert [value.code for value in found.arguments] == ["service", "file+"]
    codes = {option.names[-1]: option.value.code if option.value else None for option in found.options}
    assert codes == {"--help": None, "--as": "words=json,text", "--file": "file", "--text": "nothing", "--flag": None}
    for shell in (name for name in SHELLS if shutil.which(name)):
        made = SHELLS[shell]([top, found], ASK)
        subprocess.run([shell, "-n"], input=made, text=True, check=True, timeout=20)


def ask(kind: str, first: str, folder: Path, **env: str) -> set[str]:
    done = subprocess.run(
        [*ASK, kind, first], cwd=folder, env={**environment(), **env}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def test_names_that_change(project: Path) -> None:
    below = project / "below"
    assert ask("service", "", below) == {"shop", "stock", "extra"}
    assert ask("instance", "", below) == {"shop", "shop-1", "shop-2", "extra"}
    assert ask("count", "", project) == {"shop=", "stock=", "extra="}
    assert ask("cluster", "", below) == {"city"}
    assert ask("method", "shop", below) == {"Shop::buy", "Shop::wait", "Shop::count_all", "Back::refill"}
    assert ask("method", "unheard-of", project) == {
        "Shop::buy", "Shop::wait", "Shop::count_all", "Back::refill", "Other::ping",
    }  # fmt: skip
    assert "lo" in ask("interface", "", project) or not Path("/sys/class/net").exists()
    assert ask("nonsense", "", project) == set()


def test_names_out_of_the_registry_that_the_environment_names(project: Path) -> None:
    folder = project / "peers.toml.d"
    folder.mkdir()
    (folder / "a.json").write_text('{"service": "far"}')
    (folder / "b.json").write_text('{"service": "$(touch pwned)"}')
    (folder / "c.json").write_text("{")
    assert "far" in ask("service", "", project, MESH_REGISTRY=f"file://{project}/peers.toml")
    assert "$(touch" not in ask("service", "", project, MESH_REGISTRY=f"file://{project}/peers.toml")
    begun = time.monotonic()
    assert ask("service", "", project, MESH_REGISTRY="consul://127.0.0.1:1") == {"shop", "stock", "extra"}
    assert time.monotonic() - begun < 5


def test_files_that_cannot_be_read_give_no_names_and_no_complaint(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text("[services")
    (tmp_path / "idl").mkdir()
    (tmp_path / "idl" / "bad.thrift").write_text("service {{{ service X { \x00 (((")
    run = tmp_path / ".mesh" / "x"
    run.mkdir(parents=True)
    (run / "state.json").write_text("[]")
    for kind in ASKED:
        if kind not in ("cluster", "interface"):
            assert ask(kind, "bad", tmp_path) == set()


def test_the_scan_finds_what_the_real_parser_finds() -> None:
    """Held against the contracts of this repository."""
    import mesh

    for path in sorted((Path(__file__).parents[3] / "idl").glob("*.thrift")):
        contract = mesh.load(path)
        own = {
            f"{service.name}::{name}"
            for service in contract.services.values()
            for name in service.methods
            if not service.extends
        }
        assert own <= set(values._methods(path.read_text()))


def test_nothing_of_mesh_is_imported() -> None:
    source = Path(values.__file__).read_text()
    assert not re.search(r"^(from|import) mesh", source, re.MULTILINE)
