"""Under which address a host's instances are known to others."""

import pytest

from mesh.cluster import consul, place
from mesh.cluster.place import ALONE, Place, PlaceError
from mesh.cluster.plan import ClusterConfig, ConsulConfig
from mesh.config import ConfigError, build

ADDRESSES = {"lo": ["127.0.0.1", "::1"], "eth0": ["10.0.0.5", "fd00::5"], "wg0": []}


@pytest.fixture(autouse=True)
def _interfaces(monkeypatch):
    monkeypatch.setattr(place, "own_addresses", lambda: ADDRESSES)


@pytest.mark.parametrize(
    ("text", "address"),
    [("10.1.2.3", "10.1.2.3"), ("eth0", "10.0.0.5"), ("[fd00::5]", "fd00::5"), ("FD00:0::5", "fd00::5")],
)
def test_an_address_or_an_interface(text, address):
    assert place.address_of(text) == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [("eth9", "'eth9' is no IP address and no interface of this machine; it has lo, eth0, wg0"),
     ("wg0", "the interface wg0 has no address"), ("", "no interface"), ("10.0.0.5:80", "no IP address")],
)  # fmt: skip
def test_what_nobody_could_dial_is_refused(text, reason):
    with pytest.raises(PlaceError, match=reason):
        place.address_of(text)


def test_it_listens_on_the_address_that_it_is_known_under():
    assert place.at("10.0.0.5") == Place("10.0.0.5", "10.0.0.5", "10.0.0.5", shared=True)
    assert place.at("fd00::5").bind == "fd00::5"


def test_on_all_of_them_only_where_that_address_is_none_of_its_own():
    assert place.at("203.0.113.9") == Place("0.0.0.0", "127.0.0.1", "203.0.113.9", shared=True)
    assert place.at("2001:db8::9").bind == "::"
    with pytest.raises(PlaceError, match="nobody can dial"):
        place.at("0.0.0.0")


def test_names_in_a_shared_registry_are_nobody_elses():
    here = place.at("10.0.0.5")
    assert ALONE.name_of("pricing-1", 20001) == "pricing-1"
    assert here.name_of("pricing-1", 20001) == "pricing-1-10.0.0.5-20001"
    assert here.name_of("pricing-1.2", 20002) == "pricing-1.2-10.0.0.5-20002"
    assert place.at("fd00::5").name_of("a-1", 1) == "a-1-fd00..5-1"
    assert place.at("127.0.0.1").name_of("a-1", 7) == "a-1-127.0.0.1-7"  # two clusters of one machine, too


def test_a_name_too_long_for_a_registry_is_cut_and_still_its_own():
    names = {
        place.at("2001:db8:aaaa:bbbb:cccc:dddd:eeee:1").name_of(f"{'x' * 40}-{number}", 20000) for number in (1, 2)
    }
    assert len(names) == 2
    assert all(len(name) <= place.MAX_NAME for name in names)


async def test_the_way_to_loopback_begins_there():
    assert await place.route_to([("127.0.0.1", 8500)]) == "127.0.0.1"
    assert await place.route_to([("no-such-host.invalid", 1), ("127.0.0.1", 8500)]) == "127.0.0.1"
    with pytest.raises(PlaceError, match=r"no way to Consul: no-such-host.invalid:1: "):
        await place.route_to([("no-such-host.invalid", 1)])


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({"join": ["10.0.0.1:8500", "b", "http://[fd00::1]:9/"]}, "consul://10.0.0.1:8500,b:8500,[fd00::1]:9"),
        ({"join": ["https://a:8501", "https://b"]}, "consul+https://a:8501,b:8500"),
        ({"join": ["a"], "token_file": "secret/token"}, "consul://a:8500?token_file=/city/secret/token"),
        ({"join": ["a"], "token_file": "/run/token", "ca_file": "ca.pem"},
         "consul://a:8500?token_file=/run/token&ca_file=/city/ca.pem"),
    ],
)  # fmt: skip
def test_the_registry_to_join(config, url, tmp_path):
    found = consul.url_of(build(ConsulConfig, config, "x"), tmp_path.__class__("/city"))
    assert found == url
    assert "token" not in consul.shown(found)


@pytest.mark.parametrize(
    ("join", "reason"),
    [
        (["https://a", "b"], "the same for all; got http, https"),
        (["ftp://a"], "http:// or https://"),
        (["a:x"], "port must be a number"),
        (["a:1/path"], "port must be a number"),
    ],
)
def test_what_cannot_be_joined_is_refused(join, reason, tmp_path):
    with pytest.raises(ConfigError, match=reason):
        consul.url_of(ConsulConfig(join=tuple(join)), tmp_path)


def test_the_plan_says_where_to_join_and_what_runs_here():
    config = build(ClusterConfig, {"advertise": "eth0", "consul": {"join": ["a"]}, "services": {"x": {}, "y": {}}}, "f")
    assert config.joining(()).consul.join == ("a",)
    assert config.joining(("b", "c"), "eth1").consul.join == ("b", "c")
    assert config.joining(("b", "c"), "eth1").advertise == "eth1"
    assert list(config.only(["y"]).services) == ["y"]
    with pytest.raises(ConfigError, match="--join: .*does not belong into an address") as refused:
        config.joining(("user:pa55@a:1",))
    assert "pa55" not in str(refused.value)
    with pytest.raises(ConfigError, match="there is no service 'zzz' in the plan; it has x, y"):
        config.only(["zzz"])
    for bad in ({"enabled": False, "join": ["a"]}, {"token_file": "t"}):
        with pytest.raises(ConfigError, match="join"):
            build(ConsulConfig, bad, "f")


def test_own_addresses_are_those_of_this_machine(monkeypatch):
    monkeypatch.undo()
    assert "127.0.0.1" in [address for addresses in place.own_addresses().values() for address in addresses]
    assert not any("%" in address for addresses in place.own_addresses().values() for address in addresses)
