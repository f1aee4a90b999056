"""cluster.toml and .env, edited: which services start otherwise, and what it takes a new `mesh dev` for."""

import pytest

from mesh.cluster.plan import Source
from mesh.config import ConfigError
from mesh.dev.plans import Plans

PLAN = "[services.a]\n[services.b]\n[services.c]\nshared_ports = ['http']\n"


@pytest.fixture
def plans(tmp_path):
    (tmp_path / "cluster.toml").write_text(PLAN)
    source = Source(tmp_path / "cluster.toml", outer={})
    return Plans(source, source.read())


@pytest.mark.parametrize(
    ("file", "text", "services", "stale"),
    [
        ("cluster.toml", PLAN + "# a comment\n", [], ""),
        ("cluster.toml", PLAN.replace("[services.b]", "[services.b]\ndrain_s = 3"), ["b"], ""),
        ("cluster.toml", "env = { MODE = 'x' }\n" + PLAN, ["a", "b", "c"], ""),
        (".env", "MODE=x\n", ["a", "b", "c"], ""),
        ("cluster.toml", PLAN + "[services.d]\n", [], "the service d"),
        ("cluster.toml", PLAN.replace("[services.b]\n", ""), [], "the service b"),
        ("cluster.toml", PLAN.replace("'http'", "'web'"), [], "shared_ports of c"),
    ],
)
def test_an_edit_of_the_plan(plans, tmp_path, file, text, services, stale):
    assert tmp_path.resolve() / file in plans.files
    (tmp_path / file).write_text(text)
    changed, told = plans.read()
    assert changed == services
    assert told.endswith(stale)
    assert bool(told) == bool(stale)
    assert plans.read()[0] == []  # once


def test_a_wrong_plan_changes_nothing(plans, tmp_path):
    before = plans.config
    (tmp_path / "cluster.toml").write_text("[services.a]\nunknown = 1\n")
    with pytest.raises(ConfigError, match="unknown key"):
        plans.read()
    assert plans.config is before
