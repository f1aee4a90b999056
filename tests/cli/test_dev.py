"""`mesh dev`: what it makes of a plan and a command line, and how it shows what happens."""

import argparse
import io
import json
import random
from pathlib import Path

import pytest
from rich.console import Console

from mesh.cli import dev
from mesh.cli.main import main
from mesh.cluster import Change, Cluster, State, load
from mesh.contract.problem import Finding, Level
from mesh.dev.display import DevJson, DevLines, DevTable
from mesh.dev.events import MAX_NAMED, Events

PLAN = "[services.pricing]\ninstances = 3\n[services.drivers]\n[services.off]\ninstances = 0\n"


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "cluster.toml").write_text(PLAN)
    return tmp_path / "cluster.toml"


def test_one_instance_of_each_and_a_broken_start_is_not_repeated_for_long(plan):
    config = dev.for_dev(load(plan), debug=False)
    assert {name: one.instances for name, one in config.services.items()} == {"pricing": 1, "drivers": 1, "off": 0}
    assert config.restart.crashes == dev.CRASHES
    assert "MESH_DEBUG" not in config.env


def test_debug_mode_is_said_to_every_process_and_the_developers_own_settings_win(plan, monkeypatch):
    monkeypatch.setenv("MESH_WATCHDOG_MS", "50")
    monkeypatch.setenv("MESH_DEBUG", "0")
    plan.write_text("env = { MESH_DRAIN_MS = '7' }\n" + PLAN)
    config = dev.for_dev(load(plan), debug=True)
    assert dict(config.env) == {"MESH_DEBUG": "1", "MESH_DRAIN_MS": "7"}
    assert {one.drain_s for one in config.services.values()} == {dev.DEBUG_DRAIN_S}


@pytest.mark.parametrize(
    ("cluster", "services", "name"),
    [
        ("city", [], "city"),
        ("city", ["pricing"], "city-pricing"),
        ("city", ["pricing", "drivers"], "city-pricing-drivers"),
        ("c" * 40, ["pricing"], "c" * 32 + "-pricing"),
    ],
)
def test_a_part_of_a_cluster_has_a_name_of_its_own(cluster, services, name):
    assert dev._name(cluster, services) == name


def test_a_service_that_the_plan_does_not_have(plan, capsys):
    assert main(["dev", "pricng", "--file", str(plan)]) == 2
    assert "did you mean 'pricing'?" in capsys.readouterr().err


def test_the_options_of_mesh_up_change_the_plan_here_as_well(plan):
    plan.with_name("cluster.local.toml").write_text("[services.pricing]\nenv = { MODE = 'local' }\n")
    parser = argparse.ArgumentParser()
    dev.register(parser.add_subparsers())
    args = parser.parse_args(["dev", "pricing", "--file", str(plan), "--overlay", "local", "--no-consul"])
    config = dev.up.source_of(args).read()
    assert list(config.services) == ["pricing"]
    assert config.services["pricing"].env == {"MODE": "local"}
    assert not config.consul.enabled


@pytest.mark.parametrize("command", ["up", "dev"])
def test_an_address_for_others_is_refused_where_there_are_none(plan, command, capsys):
    file = [str(plan)] if command == "up" else ["--file", str(plan)]
    for more in ([], ["--no-consul"]):
        assert main([command, *file, "--advertise", "lo", *more]) == 2
        assert "--advertise goes with --join" in capsys.readouterr().err


ROOT = Path("/project")
BROKEN = [Finding("/project/a.py", 3, Level.ERROR, "SyntaxError: invalid syntax")]


def story():
    """An edit that is broken, and one that works."""
    events = Events(ROOT)
    return [
        events.changed([ROOT / "a.py"], ["pricing"]),
        events.broken(["pricing"], BROKEN, serving=True),
        events.reloading("pricing", [ROOT / "a.py"]),
        events.failed("pricing", "/project/b.py", 7, "OSError: full", ("Traceback", "OSError: full"), serving=False),
        events.reloaded("pricing", 42, 0.6404, 1.1409, [ROOT / "a.py"]),
    ]


def test_as_lines():
    out = io.StringIO()
    lines = DevLines(out)
    for event in story():
        lines.tell(event)
    lines.change(Change(0.0, "pricing-1", "pricing", State.READY, 42))  # what a reload does is told by its events
    lines.change(Change(0.0, "pricing-1", "pricing", State.BACKOFF, 0, "killed by SIGKILL"))
    assert out.getvalue().splitlines() == [
        "a.py changed: concerns pricing",
        "pricing: not reloaded; the process from before goes on serving",
        "    a.py:3: SyntaxError: invalid syntax",
        "pricing: not reloaded; nothing serves until this is mended",
        "    b.py:7: OSError: full",
        "      | Traceback",
        "      | OSError: full",
        "pricing: live after 640 ms (a.py)",
        "pricing-1 back-off: killed by SIGKILL",
    ]


def test_as_json():
    out = io.StringIO()
    display = DevJson(out)
    for event in story():
        display.tell(event)
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [event["event"] for event in told] == ["changed", "failed", "reloading", "failed", "reloaded"]
    assert all({"event", "at", "text"} <= event.keys() for event in told)
    assert told[1]["problems"] == [{"file": "a.py", "line": 3, "reason": "SyntaxError: invalid syntax"}]
    assert (told[3]["file"], told[3]["line"], told[3]["serving"]) == ("b.py", 7, False)
    assert (told[4]["pid"], told[4]["ms"], told[4]["alone_ms"]) == (42, 640, 1141)


async def test_on_a_terminal_what_is_broken_stays_in_sight_until_it_is_mended(plan):
    out = io.StringIO()
    table = DevTable(Console(file=out, force_terminal=True, width=100, no_color=True))
    cluster = Cluster(load(plan), plan.parent, rng=random.Random(1))

    def foot():
        out.seek(0)
        out.truncate()
        table.refresh(cluster)
        return out.getvalue()

    events = story()
    with table:
        table.tell(events[0])
        assert "pricing: a.py:3" not in foot()
        table.tell(events[1])
        assert "pricing: a.py:3: SyntaxError" in foot()
        table.tell(events[4])
        assert "SyntaxError" not in foot()


def test_a_line_names_a_few_files_and_says_how_many_more():
    event = Events(ROOT).changed([ROOT / f"{n}.py" for n in range(9)], [])
    assert event.text == f"0.py, 1.py, 2.py and {9 - MAX_NAMED} more changed: no service needs it"
    assert len(event.fields["files"]) == 9
