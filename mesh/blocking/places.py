"""Where a blocking call cannot be made, and what to do instead.

One rule: a call that would stop a whole loop or never come back is refused at once, with the way out in the message.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

_PATCHERS: tuple[tuple[str, str, str, str, str], ...] = (
    # With gevent's sockets alone a call works; it holds up the hub, unless the hub's threadpool makes it.
    ("gevent", "gevent.monkey", "is_module_patched", "threading", ", or patch_all(thread=False, select=False)"),
    ("eventlet", "eventlet.patcher", "is_monkey_patched", "thread", ""),
)


def inside_a_loop(what: str) -> str | None:
    """Why `what` cannot be done on a thread whose event loop is running; None where it may be done all the same.

    A cell of a notebook runs inside its kernel's loop. A call there holds up that one kernel, as any other
    statement of the cell does.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if shell is not None and hasattr(shell, "kernel"):
        return None
    return (
        f"{what}: an event loop is running on this thread, and a blocking call would stop all that it does. In a "
        "coroutine use mesh.Node and `await`; for code that has to block, asyncio.to_thread(...)"
    )


def patched() -> str | None:
    """Why a process whose threads were replaced by green ones cannot run a loop beside them; None in any other."""
    for name, module, asks, about, other_way in _PATCHERS:
        is_patched: Callable[[str], bool] | None = getattr(sys.modules.get(module), asks, None)
        if is_patched is not None and is_patched(about):
            return (
                f"{name} has replaced this process's threads and locks (monkey patching), so that no second thread can "
                "run the mesh's loop. Use workers with real threads or processes (gunicorn -k gthread or sync, "
                f"celery -P prefork or threads){other_way}"
            )
    return None
