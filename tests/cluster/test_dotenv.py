""".env: the syntax, who wins, and that no value gets into a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.cluster import dotenv, plan
from mesh.config import ConfigError

OUTER = {"HOME_TOWN": "Montreal", "EMPTY": "", "SHELL_SAYS": "outer"}

TABLE = [
    ("A=1", {"A": "1"}),
    ("export A=1\n\n# comment\n  B = two words  ", {"A": "1", "B": "two words"}),
    ("A=", {"A": ""}),
    ("A=x # a comment\nB=x#none\nC=#all", {"A": "x", "B": "x#none", "C": ""}),
    ("A='$HOME_TOWN # \\n'", {"A": "$HOME_TOWN # \\n"}),
    ('A="a\\tb\\n\\"q\\" \\\\ \\$HOME_TOWN"', {"A": 'a\tb\n"q" \\ $HOME_TOWN'}),
    ('A="one\ntwo"\nB=after', {"A": "one\ntwo", "B": "after"}),
    ("A='one\ntwo'", {"A": "one\ntwo"}),
    ("A=$HOME_TOWN ${HOME_TOWN}", {"A": "Montreal Montreal"}),
    ("A=${NOPE} ${NOPE:-none} ${EMPTY:-was empty}${EMPTY-is set}", {"A": " none was empty"}),
    ("A=1\nB=${A}2\nA=3", {"A": "3", "B": "12"}),
    ("SHELL_SAYS=inner\nA=$SHELL_SAYS", {"SHELL_SAYS": "inner", "A": "outer"}),
    ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
    ("A=a=b=c", {"A": "a=b=c"}),
    ("A=it's", {"A": "it's"}),
    ("A=\\n $ $1", {"A": "\\n $ $1"}),
    ("", {}),
]


@pytest.mark.parametrize(("text", "expected"), TABLE)
def test_what_a_file_means(text, expected):
    assert dotenv.parse(text, ".env", OUTER) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("A=1\nhunter2", "line 2: expected NAME=value"),
        ("1A=hunter2", "line 1: expected NAME=value"),
        ("A B=hunter2", "line 1: expected NAME=value"),
        ("\nA='hunter2", "line 2: A: the quote ' is not closed"),
        ('A="hunter2\\"', 'line 1: A: the quote " is not closed'),
        ("A='x' hunter2", "line 1: A: there is more after the closing quote"),
    ],
)
def test_what_is_wrong_is_said_without_the_value(text, complaint):
    with pytest.raises(ConfigError) as caught:
        dotenv.parse(text, ".env", {})
    assert complaint in str(caught.value)
    assert "hunter2" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_variables_or_a_complaint(text):
    try:
        found = dotenv.parse(text, ".env", {})
    except ConfigError:
        return
    assert all(name.isidentifier() and name.isascii() for name in found)


def write(tmp_path, env, toml='env = { A = "toml" }\n[services.a]\nenv = { B = "service" }'):
    (tmp_path / ".env").write_bytes(env)
    file = tmp_path / "cluster.toml"
    file.write_text(toml)
    return file


def test_the_environment_wins_over_dotenv_and_cluster_toml_over_both(tmp_path):
    config = plan.load(write(tmp_path, b"A=dotenv\nC=dotenv\nD=dotenv"), outer={"C": "outer"})
    assert dict(config.env) == {"A": "toml", "D": "dotenv"}  # C is passed on as it is
    assert "dotenv" not in repr(config)


@pytest.mark.parametrize(
    ("env", "complaint"),
    [
        (b"MESH_LISTEN=127.0.0.1:1", "MESH_LISTEN is set by mesh up"),
        (b"MESH_FD_HTTP=3", "MESH_FD_HTTP is set by mesh up"),
        (b"A=\0", "zero byte"),
        (b"A=\xff", "not UTF-8"),
        (b"#" * (dotenv.MAX_BYTES + 1), "larger than"),
    ],
)
def test_a_file_that_cannot_be_followed_is_refused(tmp_path, env, complaint):
    with pytest.raises(ConfigError, match=r"\.env") as caught:
        plan.load(write(tmp_path, env), outer={})
    assert complaint in str(caught.value)


def test_without_the_file_there_is_nothing_to_say(tmp_path):
    file = write(tmp_path, b"")
    (tmp_path / ".env").unlink()
    assert dict(plan.load(file, outer={}).env) == {"A": "toml"}
