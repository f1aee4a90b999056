"""Overlays: what is laid over what, and what is refused."""

import pytest

from mesh.cluster import plan
from mesh.cluster.environment import OWN, contract
from mesh.config import ConfigError

BASE = """
name = "city"
env = { ZONE = "a", LEVEL = "info" }
ready_timeout_s = 30
[services.pricing]
instances = 2
command = ["pricing", "--port", "{port}"]
[services.trips]
"""


@pytest.fixture
def load(tmp_path):
    """`load(prod="...", names=["prod"])`: the plan with overlays beside it."""

    def load(*names, **files):
        (tmp_path / "cluster.toml").write_text(BASE)
        for name, text in files.items():
            (tmp_path / f"cluster.{name}.toml").write_text(text)
        return plan.load(tmp_path / "cluster.toml", names or list(files), outer={})

    return load


def test_tables_are_merged_and_everything_else_is_replaced(load):
    config = load(prod='env.ZONE = "b"\n[services.pricing]\ncommand = ["other"]\n[restart]\ncrashes = 2')
    pricing = config.services["pricing"]
    assert dict(config.env) == {"ZONE": "b", "LEVEL": "info"}
    assert (pricing.instances, pricing.command, config.restart.crashes) == (2, ("other",), 2)
    assert (config.name, config.ready_timeout_s, list(config.services)) == ("city", 30, ["pricing", "trips"])


def test_the_last_overlay_wins_and_a_path_is_a_file(load, tmp_path):
    config = load(one="ready_timeout_s = 1\nenv.A = 'one'", two="ready_timeout_s = 2")
    assert (config.ready_timeout_s, config.env["A"]) == (2, "one")
    other = tmp_path / "elsewhere.toml"
    other.write_text("ready_timeout_s = 3")
    assert load("one", str(other), one="ready_timeout_s = 1").ready_timeout_s == 3


def test_a_new_service_brings_its_command(load):
    config = load(prod='[services.extra]\ncommand = ["x"]')
    assert config.services["extra"].command == ("x",)
    with pytest.raises(ConfigError, match=r"(?s)cluster.prod.toml: services.pricng: .*did you mean 'pricing'.*command"):
        load(prod="[services.pricng]\ninstances = 3")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nme = 'x'", r"cluster.prod.toml: nme: unknown key; did you mean 'name'"),
        ("[services.pricing]\ninstance = 1", r"cluster.prod.toml: services.pricing.instance: .*'instances'"),
        ("[services.pricing]\ninstances = 'two'", r"cluster.prod.toml: services.pricing.instances: expected int"),
        ("services = 3", r"cluster.prod.toml: services: expected a table"),
        ("services.pricing = 3", r"cluster.prod.toml: services.pricing: expected a table"),
        ("env = 3", r"cluster.prod.toml: env: expected a table"),
        ("[", r"cluster.prod.toml: no valid TOML"),
    ],
)
def test_an_overlay_is_as_strict_as_the_file(load, text, complaint):
    with pytest.raises(ConfigError, match=complaint):
        load(prod=text)


def test_an_overlay_that_is_not_there_is_refused_with_the_nearest(load):
    with pytest.raises(ConfigError, match=r"no overlay 'prd': .*did you mean 'prod'"):
        load("prd", prod="")
    with pytest.raises(ConfigError, match=r"overlays there: none|overlays there: prod"):
        load("zzz", prod="")
    with pytest.raises(ConfigError, match=r"no such file"):
        load("./nowhere.toml")


def test_what_the_supervisor_sets_can_be_set_by_nobody_else(tmp_path):
    told = contract("a", "a-1", (1, 2), "file:///x", tmp_path, tmp_path)
    assert set(told) <= set(OWN)
    for name in (*OWN, "MESH_FD_HTTP"):
        for text in (f"env = {{ {name} = 'x' }}", f"[services.a]\nenv = {{ {name} = 'x' }}"):
            (tmp_path / "cluster.toml").write_text(text)
            with pytest.raises(ConfigError, match=f"env: {name} is set by mesh up for every instance"):
                plan.load(tmp_path / "cluster.toml")
