"""The few questions that discovery asks Consul, typed, through py-consul.

One rule: Consul's shapes end here; above are `Instance`, bytes by key, and `Answer`.

Watches read `stale`: any server may answer, so they go on while there is no leader (measured on 1.8.7: they fail only
for the first seconds, and never while the leader merely hangs). Old data does no harm, because a caller would keep
using what it had anyway. `cached` reads fail even less, but the agent's own cache repeats a failed query only after up
to a minute, so that a registry which is back would stay unnoticed for longer than our own back-off takes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from consul import Check
from consul.base import Consul
from tornado.netutil import Resolver

from mesh.discovery.address import format_address, parse_address
from mesh.discovery.answer import Answer
from mesh.discovery.consul_http import Callback, ConsulHttp, Params
from mesh.discovery.registry import Instance, RegistryError

WAIT_S = 30.0  # how long a query may block; a connection that died silently is noticed after about this long

CHECK_INTERVAL = "1s"  # a dead process refuses the next check: callers hear of it within a second
CHECK_TIMEOUT_S = 3.0  # a busy machine answers late; only a process that hangs for so long is taken out
DEREGISTER_AFTER = "1m"  # the least that Consul allows; a process that lives registers again by itself

MAX_SERVICES = 2000  # `services` asks once per name
_ASKING_AT_ONCE = 16

PROTOCOL = "tchannel"


class _StaleReads(ConsulHttp):
    """py-consul cannot ask its health endpoints for stale reads, though Consul can answer them."""

    async def get(
        self, callback: Callback, path: str, params: Params = None, headers: dict[str, str] | None = None, **_: Any
    ) -> Answer[Any]:
        if path.startswith("/v1/health/"):
            params = [*(params or ()), ("stale", "1")]
        return await super().get(callback, path, params, headers)


class _TornadoConsul(Consul):  # type: ignore[misc]  # py-consul has no types
    def __init__(
        self, host: str, port: int, *, token: str | None, dc: str | None, connect: Callable[[], ConsulHttp]
    ) -> None:
        self._connect = connect
        super().__init__(host, port, scheme="http", verify=True, consistency="stale", dc=dc)
        self.token = token  # its constructor lets CONSUL_HTTP_TOKEN win over the argument

    def http_connect(self, *_: Any, **__: Any) -> ConsulHttp:
        return self._connect()


class ConsulApi:
    """One agent, at `host:port`. Every method raises RegistryError (RegistryRefused for a 4xx)."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        token: str | None = None,
        dc: str | None = None,
        wait_s: float = WAIT_S,
        check_timeout_s: float = CHECK_TIMEOUT_S,
        tls: bool = False,
        ca_file: str | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self.name = format_address(host, port)
        http = _StaleReads(host, port, tls=tls, ca_file=ca_file, resolver=resolver)
        self._consul = _TornadoConsul(host, port, token=token, dc=dc, connect=lambda: http)
        self._wait = f"{wait_s:g}s"
        self._check_timeout = f"{check_timeout_s:g}s"

    async def instances(self, service: str, index: int) -> Answer[tuple[Instance, ...]]:
        """The passing instances; blocks until something is newer than `index` (0: does not)."""
        answer = await self._consul.health.service(service, index=index, wait=self._wait, passing=True)
        return _with(answer, _instances(answer.value[1]))

    async def rules(self, prefix: str, index: int) -> Answer[dict[str, bytes]]:
        """The values below `prefix` by key; blocks as `instances` does."""
        answer = await self._consul.kv.get(prefix, index=index, wait=self._wait, recurse=True)
        with _consuls_form():
            # A key that ends in "/" is a folder that a user interface made.
            found = {e["Key"]: bytes(e["Value"] or b"") for e in answer.value[1] or () if not e["Key"].endswith("/")}
        return _with(answer, found)

    async def register(self, instance: Instance, health_url: str | None) -> None:
        """Enters `instance` with this agent, replacing an entry with its id on the agent's own list.

        `health_url` is what the agent asks every second: http://... must answer 200, tcp://HOST:PORT be connectable.
        """
        check = None
        if health_url is not None:
            check = _check(health_url, self._check_timeout)
            # Who registers listens already. Without this nobody calls it until the first check has run.
            check["status"] = "passing"
        await self._consul.agent.service.register(
            instance.service,
            service_id=instance.id,
            address=instance.host,
            port=instance.port,
            check=check,
            meta=_meta(instance),
            weights={"Passing": instance.weight, "Warning": 1},
        )

    async def holds(self, instance: Instance) -> bool:
        """Whether this agent has this very entry."""
        entry = await self._entry(instance.id)
        with _consuls_form():
            found = (entry.get("Service"), entry.get("Address"), entry.get("Port"), entry.get("Meta") or {})
        return found == (instance.service, instance.host, instance.port, _meta(instance))

    async def deregister(self, instance_id: str) -> None:
        """Takes the entry off this agent's list and so out of the catalogue; well done also when it has none."""
        if await self._entry(instance_id):
            await self._consul.agent.service.deregister(instance_id)

    async def has_leader(self) -> bool:
        """Whether this agent knows its cluster's leader; one that is cut off from the others does not."""
        return bool((await self._consul.status.leader()).value)

    async def dead_nodes_with(self, instance: Instance) -> list[str]:
        """The nodes that the cluster holds for dead and that the catalogue still lists this entry under."""
        answer = await self._consul.health.service(instance.service)
        with _consuls_form():
            return [
                str(entry["Node"]["Node"])
                for entry in answer.value[1]
                if entry["Service"]["ID"] == instance.id
                and any(one["CheckID"] == "serfHealth" and one["Status"] == "critical" for one in entry["Checks"])
            ]

    async def strike(self, node: str, instance_id: str) -> None:
        """Takes an entry out of the catalogue only: for an agent that is gone. One that lives puts it in again."""
        await self._consul.catalog.deregister(node, service_id=instance_id)

    async def services(self) -> dict[str, tuple[Instance, ...]]:
        """Everything that speaks our protocol, whatever its health."""
        answer = await self._consul.catalog.services()
        with _consuls_form():
            names = sorted(answer.value[1])
        if len(names) > MAX_SERVICES:
            raise RegistryError(f"it has {len(names)} services, more than the {MAX_SERVICES} that are asked for")
        places = asyncio.Semaphore(_ASKING_AT_ONCE)

        async def ask(name: str) -> tuple[Instance, ...]:
            async with places:
                found = await self._consul.health.service(name)
            return _one_each(one for one in _instances(found.value[1]) if one.meta.get("protocol") == PROTOCOL)

        asked = await asyncio.gather(*(ask(name) for name in names))
        return {name: instances for name, instances in zip(names, asked, strict=True) if instances}

    def abandon(self) -> None:
        """Ends every request under way with a RegistryError."""
        self._consul.http.abandon()

    async def close(self) -> None:
        await self._consul.http.close()

    async def _entry(self, instance_id: str) -> dict[str, Any]:
        """What this agent's own list has under that id; empty when it has nothing."""
        answer = await self._consul.agent.services(filter_expr=f'ID == "{instance_id}"')
        with _consuls_form():
            return dict(answer.value.get(instance_id) or {})


def _check(health_url: str, timeout: str) -> dict[str, Any]:
    made: dict[str, Any]
    if health_url.startswith("tcp://"):
        host, port = parse_address(health_url.removeprefix("tcp://"))
        made = Check.tcp(host, port, CHECK_INTERVAL, timeout=timeout, deregister=DEREGISTER_AFTER)
    else:
        made = Check.http(health_url, CHECK_INTERVAL, timeout=timeout, deregister=DEREGISTER_AFTER)
    return made


_ORDER = {"passing": 0, "warning": 1, "critical": 2}


def _one_each(entries: Iterable[Instance]) -> tuple[Instance, ...]:
    """One entry a process: who moved from a dead agent to another stands under both until the dead one is cleared."""
    best: dict[tuple[str, str], Instance] = {}
    for entry in entries:
        key = (entry.id, entry.address)
        if key not in best or _ORDER[entry.health] < _ORDER[best[key].health]:
            best[key] = entry
    return tuple(best.values())


def _with(answer: Answer[Any], value: Any) -> Answer[Any]:
    return Answer(value, answer.index, answer.known_leader, answer.last_contact_ms, answer.content_hash)


def _meta(instance: Instance) -> dict[str, str]:
    meta = dict(instance.meta)
    if instance.admin is not None:
        meta["admin"] = instance.admin
    if instance.zone is not None:
        meta["zone"] = instance.zone
    return meta


@contextlib.contextmanager
def _consuls_form() -> Iterator[None]:
    """Whatever else listens on that port must not end a poll with a KeyError."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RegistryError(f"its answer is not of Consul's form ({type(error).__name__}: {error})") from None


def _instances(entries: Any) -> tuple[Instance, ...]:
    with _consuls_form():
        if not isinstance(entries, list):  # an empty object would read as "no instances"
            raise TypeError("not a list")
        read = [_instance(entry["Service"], entry["Node"], entry["Checks"] or ()) for entry in entries]
    return tuple(instance for instance in read if instance is not None)


def _instance(service: Any, node: Any, checks: Any) -> Instance | None:
    """None for what cannot be called: another protocol's instance, or one without a port."""
    meta = {str(key): str(value) for key, value in (service["Meta"] or {}).items()}
    host = service["Address"] or node["Address"]
    if not host or not service["Port"] or meta.get("protocol", PROTOCOL) != PROTOCOL:
        return None
    found = {check["Status"] for check in checks}
    return Instance(
        service=str(service["Service"]),
        id=str(service["ID"]),
        host=str(host),
        port=int(service["Port"]),
        admin=meta.get("admin"),
        zone=meta.get("zone"),
        weight=int(service["Weights"]["Passing"]),
        meta=meta,
        health=next((status for status in ("critical", "warning") if status in found), "passing"),
    )
