"""Environment over file over defaults; secrets stay hidden."""

from __future__ import annotations

import dataclasses
import json
import logging
import pickle
import re
from pathlib import Path

import pytest

from mesh.config import VARIABLES, Config, ConfigError, Secret, load
from mesh.config.builder import hints
from mesh.logs import Format, Level


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(text)
    return path


def test_defaults() -> None:
    config = load(None, {})
    assert config == Config()
    assert config.listen == "127.0.0.1:0"
    assert config.admin == "127.0.0.1:0"
    assert config.registry is None


def test_environment_over_file_over_given(tmp_path: Path) -> None:
    path = _file(tmp_path, 'name = "file"\nzone = "west"\ndrain_ms = 7\n[logs]\nformat = "json"\nlevel = "error"\n')
    given = {"name": "program", "owner": "team", "logs": {"level": "debug"}}
    config = load(path, {"MESH_NAME": "env", "MESH_LOG_FORMAT": "TEXT", "MESH_DRAIN_MS": "9"}, given)
    assert (config.name, config.zone, config.owner, config.drain_ms) == ("env", "west", "team", 9)
    assert (config.logs.format, config.logs.level) == (Format.TEXT, Level.ERROR)
    assert given == {"name": "program", "owner": "team", "logs": {"level": "debug"}}


def test_the_file_can_be_named_by_the_environment(tmp_path: Path) -> None:
    path = _file(tmp_path, 'name = "file"\n')
    assert load(None, {"MESH_CONFIG": str(path)}).name == "file"


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda variable: variable.name)
def test_every_variable_sets_a_setting(variable, tmp_path: Path) -> None:
    cls = Config
    for step in variable.path[:-1]:
        cls = hints(cls)[step]
    assert variable.path[-1].removesuffix("_file") in {field.name for field in dataclasses.fields(cls)}
    token = tmp_path / "token"
    token.write_text("s3cret")
    texts = {
        "MESH_TOKEN_FILE": str(token),
        "MESH_LOG_FORMAT": "json",
        "MESH_LOG_LEVEL": "error",
        "MESH_WATCHDOG_MS": "77",
        "MESH_DEBUG": "1",
        "MESH_LISTEN": "127.0.0.1:7001",
        "MESH_ADMIN": "127.0.0.1:7002",
        "MESH_ADVERTISE": "10.0.0.1:7001",
        "MESH_ADMIN_REMOTE": "all",
        "MESH_DOCS_CALLS": "off",
    }
    text = texts.get(variable.name, "77")
    assert load(None, {variable.name: text}) != load(None, {})


@pytest.mark.parametrize(
    ("env", "complaint"),
    [
        ({"MESH_DRAIN_MS": "x"}, "MESH_DRAIN_MS: got 'x', expected an int"),
        ({"MESH_DRAIN_MS": "-1"}, "MESH_DRAIN_MS: expected at least 0, got -1"),
        ({"MESH_LISTEN": "7001"}, "MESH_LISTEN: expected HOST:PORT ([HOST]:PORT for IPv6), got '7001'"),
        ({"MESH_LISTEN": "::1:80"}, "MESH_LISTEN: expected HOST:PORT ([HOST]:PORT for IPv6), got '::1:80'"),
        ({"MESH_LISTEN": "a:99999"}, "MESH_LISTEN: expected a port from 0 to 65535 after the colon, got 'a:99999'"),
        ({"MESH_NAME": "a b"}, "MESH_NAME: expected 1 to 63 letters, digits, dots, dashes or underscores, got 'a b'"),
        ({"MESH_LOG_LEVEL": "loud"}, "MESH_LOG_LEVEL: expected one of debug, info, warning, error; got str 'loud'"),
        (
            {"MESH_TOKEN": "a", "MESH_TOKEN_FILE": "b"},
            "MESH_TOKEN and MESH_TOKEN_FILE are both set; set one of the two",
        ),
        (
            {"MESH_ADVERTISE": "0.0.0.0:1"},
            "MESH_ADVERTISE: callers cannot dial '0.0.0.0:1': advertise an address and port that they can reach",
        ),
        (
            {"MESH_WATCHDOG_MS": "3"},
            "the environment: watchdog: threshold_ms: below 20 ms the machine's own scheduling looks like a fault; "
            "0 is off",
        ),
    ],
)
def test_a_wrong_variable_is_named(env: dict[str, str], complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, env)
    assert str(caught.value) == complaint


@pytest.mark.parametrize("text", ["off", ""])
def test_admin_off(text: str, tmp_path: Path) -> None:
    assert load(None, {"MESH_ADMIN": text}).admin is None
    assert load(_file(tmp_path, f'admin = "{text}"'), {}).admin is None


def test_a_token_in_the_environment_takes_the_place_of_the_files(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("from a file")
    path = _file(tmp_path, f'token_file = "{secret}"')
    assert load(path, {}).token == Secret("from a file")
    assert load(path, {"MESH_TOKEN": "env"}).token == Secret("env")
    assert load(_file(tmp_path, 'token = "toml"'), {"MESH_TOKEN_FILE": str(secret)}).token == Secret("from a file")


@pytest.mark.parametrize(
    ("content", "part"),
    [(b"= 3", "not TOML"), (b"\xff", "not UTF-8"), (b"#" * 2_000_000, "larger than"), (b"naem = 1", "mean 'name'")],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes, part: str) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=part) as caught:
        load(path, {})
    assert str(caught.value).startswith(str(path))


def test_the_wires_limits_can_be_set_and_are_checked(tmp_path: Path) -> None:
    path = _file(tmp_path, "[wire]\nmessage_bytes = 1000\nidle_s = 5\n")
    assert (load(path, {}).wire.message_bytes, load(path, {}).wire.idle_s) == (1000, 5.0)
    with pytest.raises(ConfigError, match=r"node\.toml: wire\.pong_s: expected more than 0, got 0\.0"):
        load(_file(tmp_path, "[wire]\npong_s = 0\n"), {})
    with pytest.raises(ConfigError, match=r"wire\.mesage_bytes: unknown key; did you mean 'message_bytes'\?"):
        load(_file(tmp_path, "[wire]\nmesage_bytes = 1\n"), {})


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml", {})


def test_a_near_miss_warns_and_a_stranger_does_not(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        cluster = dict.fromkeys(("MESH_STATE", "MESH_CLUSTER_RUN", "MESH_FD_7001", "MESH_FD_HTTP"), "x")
        load(None, {"MESH_REGISTY": "x", "MESH_CITY_SEED": "1", "MESH_CONFIG": "", **cluster})
    assert [record.getMessage() for record in caplog.records] == [
        "the environment has MESH_REGISTY, which nothing reads; did you mean MESH_REGISTRY?"
    ]


def test_nothing_public_tells_a_secret() -> None:
    config = load(None, {"MESH_TOKEN": "hunter2", "MESH_REGISTRY": "consul://joe:hunter2@127.0.0.1:8500"})
    shown = json.dumps(config.to_public_dict())
    assert "hunter2" not in shown
    assert config.to_public_dict()["registry"] == "consul://***@127.0.0.1:8500"
    assert config.to_public_dict()["logs"] == {"format": "auto", "level": "info"}
    assert config.token is not None
    assert config.token.reveal() == "hunter2"
    for text in (repr(config.token), str(config.token), f"{config.token:>5}", "%s" % config.token):  # noqa: UP031
        assert "hunter2" not in text
    with pytest.raises(TypeError):
        pickle.dumps(config.token)


def test_the_docs_have_every_variable_and_setting() -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    for variable in VARIABLES:
        assert f"| `{variable.name}` | `{variable.setting}` | {variable.what} |" in text
    for field in dataclasses.fields(Config):
        assert re.search(rf"\b{field.name}\b", text)
