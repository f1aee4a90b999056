"""Consul: the agent that `mesh up` would start here, and the one that the configuration names."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPResponse

from mesh.cluster import consul as joining
from mesh.discovery import agent
from mesh.discovery.address import format_address, without_secrets
from mesh.discovery.apt import archives
from mesh.discovery.open import consul_addresses, token_for
from mesh.doctor.clock import judge_skew, skew
from mesh.doctor.finding import Finding, Patient, fail, ok, warn

ASK_S = 3.0  # an agent answers these in a millisecond; without a leader some of them hang for 7 s


def agent_binary(patient: Patient) -> Finding:
    """Whether `mesh up` would have one of its own; fetches nothing."""
    if patient.plan is not None and (not patient.plan.consul.enabled or patient.plan.consul.join):
        return ok("mesh up starts none: cluster.toml says so")
    found = shutil.which("consul")
    if found and (version := agent.version_of(Path(found))):
        return ok(f"Consul {version} at {found}", version=version, path=found)
    cache = agent.default_cache()
    if agent.CONSUL.intact(cache) and (version := agent.version_of(cache / "consul")):
        return ok(f"Consul {version} in {cache}", version=version, path=str(cache / "consul"))
    broken = f"{found} does not run; " if found else ""
    if shutil.which("apt-get") and shutil.which("dpkg") and archives():
        return ok(f"{broken}none yet; the first mesh up, or mesh consul get, fetches one (23 MB)", path=None)
    return warn(
        f"{broken}none on the PATH and none to be had from this machine's package sources",
        "put a consul binary on the PATH; without one mesh up uses a peers file, which only this machine sees",
        path=None,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """One agent's answer: `problem` is empty for one that takes part in its cluster."""

    name: str
    problem: str = ""
    version: str = ""
    skew_s: float | None = None


async def registry(patient: Patient) -> Finding:
    """The Consul that is named: does it answer, has it a leader, does it take the token, what time is it there?"""
    url = patient.registry or _joined(patient)
    if url is None:
        return ok("no Consul is configured (MESH_REGISTRY, consul.join): nothing to reach", configured=False)
    parts = urlsplit(url)
    if parts.scheme not in ("consul", "consul+https", "file", "static"):
        return fail(f"{without_secrets(url)}: unknown registry", "see MESH_REGISTRY in docs/configuration.md")
    if parts.scheme in ("file", "static"):
        return ok(f"the registry is {without_secrets(url)}: no Consul to reach", configured=True)
    given = patient.config.token.reveal() if patient.config.token else None
    try:
        token = token_for(url, given)
        addresses = [format_address(*address) for address in consul_addresses(parts.netloc)]
    except ValueError as error:
        return fail(f"{without_secrets(joining.shown(url))}: {error}", "see MESH_REGISTRY in docs/configuration.md")
    scheme = "https" if parts.scheme == "consul+https" else "http"
    ca_file = dict(parse_qsl(parts.query)).get("ca_file")
    asked = await asyncio.gather(*(_ask(f"{scheme}://{name}", name, token, ca_file) for name in addresses))
    return _judge(joining.shown(url), list(asked))


def _joined(patient: Patient) -> str | None:
    plan = patient.plan
    return joining.url_of(plan.consul, patient.folder.resolve()) if plan is not None and plan.consul.join else None


def _judge(url: str, asked: list[Asked]) -> Finding:
    bad = [one for one in asked if one.problem]
    facts = {
        "url": url,
        "agents": [{"address": one.name, "version": one.version, "problem": one.problem} for one in asked],
    }
    if len(bad) == len(asked):
        reasons = "; ".join(f"{one.name}: {one.problem}" for one in bad)
        return fail(reasons, "is it up, is this its HTTP address, is the token (MESH_CONSUL_TOKEN) right?", **facts)
    for one in asked:
        late = judge_skew(one.skew_s, one.name) if one.skew_s is not None else None
        if late is not None:
            return late
    good = [f"{one.name} {one.version}".strip() for one in asked if not one.problem]
    if bad:
        what = f"{', '.join(good)} answer, but {'; '.join(f'{one.name}: {one.problem}' for one in bad)}"
        return warn(what, "the others are asked instead; bring it back or take it out of the address", **facts)
    return ok(f"{', '.join(good)}: a leader, and the time agrees", **facts)


async def _ask(base: str, name: str, token: str | None, ca_file: str | None) -> Asked:
    headers = {"X-Consul-Token": token} if token else {}
    http = AsyncHTTPClient(force_instance=True)

    async def get(path: str) -> HTTPResponse:
        times = {"request_timeout": ASK_S, "connect_timeout": ASK_S}
        return await http.fetch(base + path, headers=headers, ca_certs=ca_file, raise_error=False, **times)

    try:
        sent = time.time()
        leader = await get("/v1/status/leader")
        apart = skew(leader.headers.get("Date"), sent, time.time())
        if leader.code != 200:
            return Asked(name, f"answers {leader.code}: {_short(leader)}")
        if leader.body.strip() in (b'""', b""):
            return Asked(name, "knows no leader: its cluster has none, or it is cut off from it", skew_s=apart)
        me = await get("/v1/agent/self")
        if me.code == 403 and b"not found" in me.body:
            return Asked(name, "does not know the ACL token", skew_s=apart)
        return Asked(name, "", _version(me), apart)
    except (OSError, HTTPClientError, ssl.SSLError) as error:
        return Asked(name, str(getattr(error, "strerror", None) or error).lower())
    finally:
        http.close()


def _version(me: HTTPResponse) -> str:
    """Empty where the token may not read it."""

    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(me.body)["Config"]["Version"])
    return ""


def _short(response: HTTPResponse) -> str:
    if response.code == 599:
        return str(response.error)
    return " ".join((response.body or b"").decode("utf-8", "replace").split())[:120]
