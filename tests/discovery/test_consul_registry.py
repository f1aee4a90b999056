"""The Consul registry against a scripted agent, in virtual time: what callers keep, how often the agent is asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from mesh.discovery import consul_registry
from mesh.discovery.members import SUSPECT_S
from mesh.discovery.registration import CHECK_EVERY_S, UNCONFIRMED_S, WITHDRAW_S
from mesh.discovery.registry import Instance, RegistryError, RegistryRefused, Rule, Watch
from mesh.discovery.rules import encode_rule
from mesh.testing.leaks import no_leaks
from mesh.testing.virtual import virtual_time
from tests.discovery.conftest import ScriptedConsul, eventually, instance, scripted_registry

DOWN = RegistryError("connection refused")


def now() -> float:
    return asyncio.get_running_loop().time()


def ports(watch: Watch) -> list[int]:
    return [one.port - 7000 for one in watch.instances]


def suspects(watch: Watch) -> list[int]:
    return [one.port - 7000 for one in watch.instances if one.suspect]


def catalogue(*numbers: int) -> dict[str, Instance]:
    return {one.id: one for one in map(instance, numbers)}


@virtual_time
async def test_a_watch_follows_the_catalogue() -> None:
    api = ScriptedConsul()
    api.catalogue = catalogue(1)
    seen: list[list[int]] = []
    async with no_leaks(), scripted_registry(api) as registry:
        watch = registry.watch("pricing")
        assert not watch.known
        await watch.ready()
        assert watch.known
        watch.subscribe(lambda found: seen.append([one.port - 7000 for one in found]))
        api.catalogue = catalogue(1, 2)
        api.change()
        await asyncio.sleep(0.2)
        assert seen == [[1], [1, 2]]
    assert api.closed


@virtual_time
async def test_a_registry_that_is_down_takes_nothing_away(lines: Callable[[], list[str]]) -> None:
    api = ScriptedConsul()
    api.catalogue = catalogue(1, 2)
    async with scripted_registry(api) as registry:
        watch = registry.watch("pricing")
        await watch.ready()
        api.fail(DOWN)
        await asyncio.sleep(3600)
        assert ports(watch) == [1, 2]
        assert suspects(watch) == []
        assert len(lines()) == 1
        assert "does not answer (watch of pricing: connection refused)" in lines()[0]
        api.error = None
        await asyncio.sleep(15)
        assert "answers again after" in lines()[1]


@virtual_time
async def test_a_first_answer_that_never_comes_does_not_hold_up_who_waits() -> None:
    api = ScriptedConsul()
    api.error = DOWN
    async with scripted_registry(api) as registry:
        watch = registry.watch("pricing")
        await watch.ready()
        assert not watch.known
        assert watch.instances == ()


@virtual_time
async def test_closing_the_registry_wakes_who_waits() -> None:
    api = ScriptedConsul()
    api.hangs = True
    async with no_leaks(), scripted_registry(api) as registry:
        waiting = asyncio.create_task(registry.watch("pricing").ready())
        await asyncio.sleep(0.1)
    await waiting


@virtual_time
async def test_an_agent_that_restarts_empty_leaves_suspects_for_a_while() -> None:
    api = ScriptedConsul()
    api.catalogue = catalogue(1, 2, 3)
    async with scripted_registry(api) as registry:
        watch = registry.watch("pricing")
        await watch.ready()
        await asyncio.sleep(1)
        api.restart_empty()
        await asyncio.sleep(0.1)
        assert ports(watch) == suspects(watch) == [1, 2, 3]
        watch.refused(watch.instances[0])
        assert ports(watch) == [2, 3]
        api.catalogue = catalogue(3)
        api.change()
        await asyncio.sleep(2)
        assert (ports(watch), suspects(watch)) == ([2, 3], [2])
        await asyncio.sleep(SUSPECT_S)
        assert ports(watch) == [3]


@virtual_time
async def test_a_suspect_outlives_its_time_while_nobody_can_confirm_it() -> None:
    api = ScriptedConsul()
    api.catalogue = catalogue(1, 2)
    async with scripted_registry(api) as registry:
        watch = registry.watch("pricing")
        await watch.ready()
        await asyncio.sleep(1)
        api.restart_empty()
        await asyncio.sleep(30)
        api.fail(DOWN)
        await asyncio.sleep(10 * SUSPECT_S)
        assert suspects(watch) == [1, 2]
        api.error = None
        await asyncio.sleep(15)
        assert ports(watch) == []


@virtual_time
async def test_an_index_that_falls_makes_even_a_small_loss_doubtful() -> None:
    api = ScriptedConsul()
    api.catalogue = catalogue(1, 2, 3, 4)
    async with scripted_registry(api) as registry:
        watch = registry.watch("pricing")
        await watch.ready()
        api.catalogue = catalogue(1, 2, 3)
        api.change(index=2)
        await asyncio.sleep(31)  # an old index is higher: Consul answers when its wait is over
        assert suspects(watch) == [4]


@virtual_time
async def test_a_server_without_leader_may_add_and_takes_nothing_away() -> None:
    api = ScriptedConsul()
    api.catalogue = catalogue(1, 2, 3, 4)
    async with scripted_registry(api) as registry:
        watch = registry.watch("pricing")
        await watch.ready()
        api.leader, api.catalogue = False, catalogue(1, 2, 3, 5)
        api.change()
        await asyncio.sleep(0.1)
        assert (ports(watch), suspects(watch)) == ([1, 2, 3, 4, 5], [4])
        before = len(api.requests)
        await asyncio.sleep(60)
        assert len(api.requests) - before <= 61  # degraded: one a second


@virtual_time
async def test_however_many_watches_a_dead_registry_gets_one_request_a_second() -> None:
    api = ScriptedConsul()
    async with scripted_registry(api) as registry:
        for number in range(40):
            registry.watch(f"service-{number}")
        await asyncio.sleep(1)
        api.fail(DOWN)
        await asyncio.sleep(5)  # what was under way has failed, each once
        asked = len(api.requests)
        await asyncio.sleep(100)
        assert 80 <= len(api.requests) - asked <= 101


@virtual_time
async def test_when_it_is_back_all_watches_are_back_soon_and_not_at_once(lines: Callable[[], list[str]]) -> None:
    api = ScriptedConsul()
    async with scripted_registry(api) as registry:
        for number in range(40):
            registry.watch(f"service-{number}")
        await asyncio.sleep(1)
        api.fail(DOWN)
        await asyncio.sleep(100)
        api.error = None
        back = now()
        await asyncio.sleep(3)
        asked = {question for when, question in api.requests if when > back}
        assert len(asked) == 40
        assert len({when for when, _ in api.requests if when > back}) > 30
        assert len(lines()) == 2


@virtual_time
async def test_a_registry_that_answers_at_once_without_news_is_not_asked_in_a_loop() -> None:
    api = ScriptedConsul(wait_s=0.0)
    async with scripted_registry(api) as registry:
        registry.watch("pricing")
        await asyncio.sleep(60)
        assert len(api.requests) <= 62


@virtual_time
async def test_a_catalogue_that_changes_all_the_time_is_read_twenty_times_a_second_at_most() -> None:
    api = ScriptedConsul()
    async with scripted_registry(api) as registry:
        registry.watch("pricing")
        for _ in range(5000):
            api.change()
            await asyncio.sleep(0.002)
        assert len(api.requests) <= 10 * 20 + 2


@virtual_time
async def test_a_refusal_is_told_apart_from_silence(lines: Callable[[], list[str]]) -> None:
    api = ScriptedConsul()
    async with scripted_registry(api) as registry:
        registry.watch("pricing")
        await asyncio.sleep(1)
        api.fail(RegistryRefused("permission denied"))
        await asyncio.sleep(100)
        api.error = None
        await asyncio.sleep(15)
        assert lines() == [
            "consul://scripted:1 refuses the watch of pricing: permission denied",
            "consul://scripted:1 accepts the watch of pricing again",
        ]


@virtual_time
async def test_watches_of_one_service_share_one_query_until_the_last_is_closed() -> None:
    api = ScriptedConsul()
    api.catalogue = catalogue(1)
    async with no_leaks(), scripted_registry(api) as registry:
        first, second = registry.watch("pricing"), registry.watch("pricing")
        await first.ready()
        await second.ready()
        await asyncio.sleep(0.1)
        assert len(api.requests) == 2  # the answer, and the query that now waits
        first.close()
        first.close()
        api.catalogue = catalogue(1, 2)
        api.change()
        await asyncio.sleep(0.2)
        assert ports(second) == [1, 2]
        second.close()
        asked = len(api.requests)
        await asyncio.sleep(120)
        assert len(api.requests) == asked


@virtual_time
async def test_the_number_of_watches_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consul_registry, "MAX_WATCHES", 2)
    async with scripted_registry(ScriptedConsul()) as registry:
        registry.watch("a")
        registry.watch("b")
        registry.watch("a")
        with pytest.raises(RegistryError, match="2 watches are open"):
            registry.watch("c")


@virtual_time
async def test_a_follower_that_fails_stops_neither_the_others_nor_the_watch(lines: Callable[[], list[str]]) -> None:
    api = ScriptedConsul()
    seen: list[int] = []

    def fails(found: tuple[Instance, ...]) -> None:
        raise RuntimeError("follower")

    async with scripted_registry(api) as registry:
        watch = registry.watch("pricing")
        watch.subscribe(fails)
        watch.subscribe(lambda found: seen.append(len(found)))
        for number in (1, 2):
            api.catalogue = catalogue(*range(number))
            api.change()
            await asyncio.sleep(0.2)
        assert seen == [0, 1, 2]
    assert any("follower" in line for line in lines())


@virtual_time
async def test_rules_come_expire_and_go_without_the_registry() -> None:
    api = ScriptedConsul()
    wall = time.time()
    api.kv = {
        "limits/a": encode_rule({"rate": 5}),
        "limits/b": encode_rule(1, ttl_s=20, written_at=wall + 100),
        "other/c": encode_rule(2),
    }
    seen: list[tuple[Rule, ...]] = []
    async with no_leaks(), scripted_registry(api) as registry:
        watch = registry.watch_rules("limits/")
        await watch.ready()
        watch.subscribe(seen.append)
        api.fail(DOWN)
        start = now()
        await asyncio.sleep(15)
        assert [rule.key for rule in watch.rules] == ["limits/a", "limits/b"]
        await asyncio.sleep(10)
        assert [rule.key for rule in watch.rules] == ["limits/a"]
        assert seen[0][1].expires_at == pytest.approx(start + 20, abs=0.1)
        api.error = None
        api.kv = {}
        api.change()
        await asyncio.sleep(15)
        assert watch.rules == ()


@virtual_time
async def test_each_parser_has_its_own_view_of_a_prefix() -> None:
    api = ScriptedConsul()
    api.kv = {"limits/a": encode_rule("5")}
    async with scripted_registry(api) as registry:
        plain, typed = (
            registry.watch_rules("limits/"),
            registry.watch_rules("limits/", parse=lambda key, text: int(text)),
        )
        await plain.ready()
        await typed.ready()
        assert (plain.rules[0].value, typed.rules[0].value) == ("5", 5)


@virtual_time
async def test_a_registration_is_there_at_once_and_gone_at_the_end() -> None:
    api = ScriptedConsul()
    async with no_leaks(), scripted_registry(api, zone="a") as registry:
        registration = await registry.register(instance(1), health_url="http://127.0.0.1:9/health")
        assert registration.registered
        assert registration.detail == ""
        assert api.catalogue["pricing-1"].zone == "a"
        assert api.health_urls["pricing-1"] == "http://127.0.0.1:9/health"
    assert api.catalogue == {}


@virtual_time
async def test_a_forgotten_registration_is_made_again(lines: Callable[[], list[str]]) -> None:
    api = ScriptedConsul()
    async with scripted_registry(api) as registry:
        await registry.register(instance(1))
        api.restart_empty()
        await asyncio.sleep(CHECK_EVERY_S * 1.5)
        assert list(api.catalogue) == ["pricing-1"]
        assert lines() == ["pricing-1 was no longer in the registry; it is registered again"]


@virtual_time
async def test_a_start_without_registry_goes_on_and_registers_later(lines: Callable[[], list[str]]) -> None:
    api = ScriptedConsul()
    api.error = DOWN
    async with scripted_registry(api) as registry:
        registration = await registry.register(instance(1))
        assert not registration.registered
        assert registration.detail == "not registered: connection refused"
        await asyncio.sleep(100)
        api.error = None
        await asyncio.sleep(11)
        assert registration.registered
        assert len(lines()) == 2


@virtual_time
async def test_a_registry_that_hangs_delays_a_start_by_a_bounded_time() -> None:
    api = ScriptedConsul()
    api.hangs = True
    async with no_leaks(), scripted_registry(api) as registry:
        before = now()
        await registry.register(instance(1))
        assert now() - before <= 2.1
        before = now()
    assert now() - before <= WITHDRAW_S + 0.1


@virtual_time
async def test_a_registration_that_nobody_can_confirm_is_said_to_be_none() -> None:
    api = ScriptedConsul()
    async with scripted_registry(api) as registry:
        registration = await registry.register(instance(1))
        api.error = DOWN
        await asyncio.sleep(UNCONFIRMED_S - CHECK_EVERY_S * 1.3)
        assert registration.registered
        await asyncio.sleep(UNCONFIRMED_S)
        assert not registration.registered
        assert "connection refused" in registration.detail
        assert "not confirmed for" in registration.detail
        api.error = None
        await asyncio.sleep(11)
        assert registration.registered


@virtual_time
async def test_a_withdrawal_while_the_entry_is_being_written_leaves_no_entry() -> None:
    api = ScriptedConsul()
    async with scripted_registry(api) as registry:
        registration = await registry.register(instance(1))
        api.restart_empty()
        api.write_takes_s = 0.5
        await eventually(lambda: len(api.asked("register pricing-1")) == 2, every_s=0.01)
        await registration.withdraw()
        await asyncio.sleep(30)
        assert api.catalogue == {}
        assert not registration.registered


@virtual_time
async def test_a_withdrawal_that_fails_says_so_and_raises_nothing(lines: Callable[[], list[str]]) -> None:
    api = ScriptedConsul()
    async with scripted_registry(api) as registry:
        registration = await registry.register(instance(1))
        api.error = DOWN
        await registration.withdraw()
        await registration.withdraw()
        assert len(lines()) == 1
        assert "pricing-1 is not taken out of the registry: connection refused" in lines()[0]
        assert len(api.asked("deregister")) == 1


@virtual_time
@pytest.mark.parametrize("bad", ["", 'a"b', "a b", "a\n", "x" * 201])
async def test_an_id_that_would_break_a_url_or_filter_is_refused(bad: str) -> None:
    async with scripted_registry(ScriptedConsul()) as registry:
        with pytest.raises(ValueError, match="instance id"):
            await registry.register(Instance("pricing", bad, "127.0.0.1", 7000))


@virtual_time
async def test_a_closed_registry_takes_no_more() -> None:
    async with scripted_registry(ScriptedConsul()) as registry:
        pass
    with pytest.raises(RegistryError, match="is closed"):
        registry.watch("pricing")
    with pytest.raises(RegistryError, match="is closed"):
        await registry.register(instance(1))
