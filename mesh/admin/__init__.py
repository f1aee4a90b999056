"""The HTTP side of a node: health, metrics, and a look inside."""

from mesh.admin.docs import Asked, CannotCall, DocsCalls, DocsSource
from mesh.admin.dump import dump_stacks
from mesh.admin.health import Check, Health
from mesh.admin.pages import AdminSources, Answer, Route, json_answer, text_answer
from mesh.admin.server import Admin
from mesh.admin.watchdog import Watchdog, WatchdogSettings

__all__ = [
    "Admin", "AdminSources", "Answer", "Asked", "CannotCall", "Check", "DocsCalls", "DocsSource", "Health", "Route",
    "Watchdog", "WatchdogSettings", "dump_stacks", "json_answer", "text_answer",
]  # fmt: skip
