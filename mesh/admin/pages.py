"""The pages of the admin side, each a function without a request.

One rule: a page only reads. Whoever wants to change something steers by the registry's rules, which all instances see.
"""

from __future__ import annotations

import html
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from mesh.admin.dump import dump_stacks
from mesh.admin.health import Health

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
METRICS = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus' text format


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    content_type: str = JSON
    status: int = 200


Page = Callable[[], Answer | Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """A page under a path; `what` is its line in the index. `public` pages are for other machines, too; one that is
    `by_address` answers to no host name, which anybody can point at this address."""

    path: str
    what: str
    page: Page
    public: bool = False
    by_address: bool = False


@dataclass(frozen=True, slots=True)
class AdminSources:
    """What the admin side shows; the node fills it in. What comes back must fit JSON; what does not shows as text."""

    health: Callable[[], Health]
    metrics: CollectorRegistry
    peers: Callable[[], Any]
    connections: Callable[[], Any]
    config: Callable[[], Any]
    stack: Callable[[], str] = dump_stacks


def json_answer(value: Any, status: int = 200) -> Answer:
    return Answer(json.dumps(value, indent=1, default=str, ensure_ascii=False).encode() + b"\n", JSON, status)


def text_answer(text: str) -> Answer:
    return Answer(text.encode(errors="backslashreplace"), TEXT)


def standard_routes(sources: AdminSources) -> tuple[Route, ...]:
    """The pages that every node has."""

    def ready() -> Answer:
        health = sources.health()
        return json_answer(health.to_dict(), 200 if health.live and health.ready else 503)

    def live() -> Answer:
        health = sources.health()
        return json_answer(health.to_dict(), 200 if health.live else 503)

    return (
        Route("/health", "live and ready, with every part's own word; 503 unless both", ready, public=True),
        Route("/health/live", "503 only when a restart would help", live, public=True),
        Route("/metrics", "for Prometheus", lambda: Answer(generate_latest(sources.metrics), METRICS), public=True),
        Route("/debug/peers", "the services called, their endpoints and state", lambda: json_answer(sources.peers())),
        Route("/debug/connections", "open RPC connections", lambda: json_answer(sources.connections())),
        Route("/debug/stack", "where every task and thread stands", lambda: text_answer(sources.stack())),
        Route("/debug/config", "the settings in force, secrets hidden", lambda: json_answer(sources.config())),
    )


def index(title: str, routes: tuple[Route, ...]) -> Answer:
    rows = "\n".join(
        f'<tr><td><a href="{html.escape(route.path)}">{html.escape(route.path)}</a></td>'
        f"<td>{html.escape(route.what)}</td></tr>"
        for route in routes
    )
    title = html.escape(title)
    page = (
        f'<!doctype html>\n<html lang="en"><title>{title}</title><h1>{title}</h1>\n<table>\n{rows}\n</table></html>\n'
    )
    return Answer(page.encode(), HTML)
