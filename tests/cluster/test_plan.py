"""cluster.toml: what it may say, and how it is told what it may not."""

import sys

import pytest

from mesh.cluster import plan
from mesh.config import ConfigError


def write(tmp_path, text):
    file = tmp_path / "cluster.toml"
    file.write_text(text)
    return file


def test_a_whole_file(tmp_path):
    config = plan.load(
        write(
            tmp_path,
            """
            name = "city"
            env = { ZONE = "a" }
            [restart]
            first_ms = 50
            [services.pricing]
            instances = 2
            [services.legacy]
            command = ["./legacy", "--port", "{port}"]
            ready = "tcp"
            shared_ports = ["http"]
            env = { DEBUG = "1" }
            """,
        )
    )
    assert (config.name, dict(config.env), config.restart.first_ms) == ("city", {"ZONE": "a"}, 50)
    assert config.consul.enabled
    pricing, legacy = config.services["pricing"], config.services["legacy"]
    assert (pricing.instances, pricing.ready) == (2, plan.Ready.HEALTH)
    assert pricing.command_of("pricing") == ("{python}", "-m", "services.pricing")
    assert legacy.command_of("legacy") == ("./legacy", "--port", "{port}")
    assert (legacy.ready, legacy.shared_ports) == (plan.Ready.TCP, ("http",))
    assert not config.without_consul().consul.enabled


REFUSED = [
    ("nme = 'x'", "nme", "'name'"),
    ("[services.a]\ninstance = 2", "services.a.instance", "'instances'"),
    ("[services.a]\ninstances = '2'", "services.a.instances", "expected int"),
    ("[services.a]\ninstances = 65", "services.a.instances", "at most 64"),
    ("[services.a]\nready = 'yes'", "services.a.ready", "health, tcp"),
    ("[services.a]\ncommand = 'python x.py'", "services.a.command", "expected a list"),
    ("[services.a]\ncommand = ['x', '{prot}']", "services.a.command", "{prot}"),
    ("[services.a]\nshared_ports = ['http', 'http']", "services.a", "twice"),
    ("[services.a]\nshared_ports = ['../x']", "services.a", "no name"),
    ("[services.a]\nenv = { A = 1 }", "services.a.env.A", "expected str"),
    ("[services.consul]", "cluster.toml", "consul"),
    ("[services.'a b']", "cluster.toml", "no name"),
    ("[consul]\nenable = true", "consul.enable", "'enabled'"),
    ("[restart]\ncrashes = 0", "restart.crashes", "at least 1"),
    ("services = 3", "services", "expected a table"),
    ("[services.a", "cluster.toml", "TOML"),
]


@pytest.mark.parametrize(("text", "where", "why"), REFUSED)
def test_what_is_refused_says_where_and_why(tmp_path, text, where, why):
    with pytest.raises(ConfigError) as caught:
        plan.load(write(tmp_path, text))
    assert where in str(caught.value)
    assert why in str(caught.value)


def test_no_file_says_so(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        plan.load(tmp_path / "cluster.toml")


@pytest.mark.parametrize(
    ("folder", "name"),
    [("main", "main"), ("my checkout (2)", "my-checkout-2"), ("...", "cluster"), ("x" * 80, "x" * 40)],
)
def test_the_default_name_is_the_folder(tmp_path, folder, name):
    place = tmp_path / "inner" / folder if folder != "..." else tmp_path / "(((("
    place.mkdir(parents=True)
    assert plan.default_name(place) == name
    plan.check_name(plan.default_name(place))


def test_placeholders_are_filled_and_other_braces_stay():
    filled = plan.fill(("{python}", "-p", "{port}", '{"a": {}}', "x{port}y"), {"port": "7"})
    assert filled == [sys.executable, "-p", "7", '{"a": {}}', "x7y"]
