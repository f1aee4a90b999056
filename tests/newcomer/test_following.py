"""A text is followed to the letter, ends at the first thing that does not hold, and leaves nothing running."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.newcomer.blocks import TextError
from tests.newcomer.following import Follower, environment
from tests.newcomer.wheel import ROOT

Follow = Callable[[str], list[str]]

# In the second terminal: says that it runs, says what is written to `news`, ends well on Ctrl-C.
SERVER = """\
import os, signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
open("pid", "w").write(str(os.getpid()))
print("serving", flush=True)
while True:
    if os.path.exists("news"):
        print("news", flush=True)
        os.remove("news")
    time.sleep(0.01)
"""


# As `mesh up -d`: a process of its own that says where it is.
DETACHED = """\
import json, os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
open("half", "w").write(json.dumps({"pid": os.getpid()}))
os.rename("half", ".mesh/x/state.json")
signal.sigtimedwait([signal.SIGTERM], 60)
open("ended", "w").close()
os.remove(".mesh/x/state.json")
"""

ENDS_BADLY = "sh -c 'trap \"exit 3\" INT; echo up; while :; do sleep 0.02; done'"


@pytest.fixture
def follow(tmp_path: Path) -> Follow:
    (tmp_path / "server.py").write_text(SERVER)

    def follow(text: str) -> list[str]:
        said: list[str] = []
        env = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        with Follower(tmp_path, env, lambda line, what: said.append(f"{line} {what}")) as follower:
            follower.follow(text)
        return said

    return follow


def test_folder_and_variables_stay_from_one_command_to_the_next(follow: Follow, tmp_path: Path) -> None:
    follow(
        "```sh\nmkdir a\ncd a\nexport WHO='you and me'\necho \"$WHO in $(basename $PWD)\"\n```\n"
        '```text\nyou and me in a\n```\n```py title="b/c.py"\nx = 1\n```\n'
        '```sh\ncat b/c.py\n```\n```text\nx = 1\n```\n```diff title="b/c.py"\n-x = 1\n+x = 2\n```\n'
        '```py shows="b/c.py"\nx = 2\n```\n'
    )
    assert (tmp_path / "a" / "b" / "c.py").read_text() == "x = 2\n"


def test_a_second_terminal(follow: Follow) -> None:
    said = follow(
        "```sh second\npython server.py\n```\n```text\nserving\n```\n```sh\ntouch news\n```\n"
        "```text second\nnews\n```\n```sh\ntouch news\n```\n```text second\nnews\n```\n```sh second\n^C\n```\n"
    )
    assert said[0] == "2 $ python server.py  (in the second terminal)"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("```sh\ntrue\nfalse\n```\n", 3, "exit code 1, not 0"),
        ("```sh exit=2\nfalse\n```\n", 2, "exit code 1, not 2"),
        ("```sh exit=1\nfalse\nfalse\n```\n", 2, "exit code 1, not 0"),
        ("```sh\necho a\n```\n```text\nb\n```\n", 5, "the commands printed\na"),
        ("```sh\necho a\n```\n```text\n```\n", 5, "the commands printed\na"),
        ('```py shows="none.py"\nx\n```\n', 1, "No such file"),
        ('```py shows="server.py"\nx\n```\n', 1, "does not stand in"),
        ('```diff title="server.py"\n-x\n```\n', 1, "stands 0 times"),
        ("```sh second\necho gone\n```\n```text\nserving\n```\n", 5, "has ended after\ngone"),
        ("```sh second\npython server.py\n```\n", 1, "still runs in the second terminal"),
        (f"```sh second\n{ENDS_BADLY}\n```\n```text\nup\n```\n```sh second\n^C\n```\n", 7, "exit code 3 after Ctrl-C"),
    ],
)
def test_the_first_thing_that_does_not_hold_ends_it(follow: Follow, text: str, line: int, says: str) -> None:
    with pytest.raises(TextError, match=says) as wrong:
        follow(text)
    assert wrong.value.line == line


def test_nothing_is_left_running(follow: Follow, tmp_path: Path) -> None:
    with pytest.raises(TextError, match="exit code 1"):
        follow("```sh second\npython server.py\n```\n```text\nserving\n```\n```sh\nfalse\n```\n")
    pid = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.02)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_a_cluster_in_the_background_is_ended(follow: Follow, tmp_path: Path) -> None:
    (tmp_path / "detached.py").write_text(DETACHED)
    with pytest.raises(TextError, match="exit code 1"):
        follow(
            "```sh\nmkdir -p .mesh/x\nsetsid python detached.py &\n"
            "while [ ! -e .mesh/x/state.json ]; do sleep 0.02; done\nfalse\n```\n"
        )
    assert (tmp_path / "ended").exists()


def test_no_checkout_shows_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MESH_REGISTRY", "consul://127.0.0.1:1")
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    monkeypatch.setenv("PATH", f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    env = environment(tmp_path, tmp_path / "wheels" / "x.whl")
    assert not any(str(ROOT) in value for name, value in env.items() if name != "PIP_FIND_LINKS")
    assert not {"PYTHONPATH", "VIRTUAL_ENV", "MESH_REGISTRY"} & set(env)
    (tmp_path / "empty").mkdir()
    with Follower(tmp_path / "empty", env, lambda line, what: None) as follower:
        follower.follow("```sh exit=1\npython3 -c 'import mesh'\n```\n```text\n...\n... No module named 'mesh'\n```\n")
