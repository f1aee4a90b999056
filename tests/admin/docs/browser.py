"""A headless Chromium, driven over its DevTools protocol.

One rule: whatever the page logs, throws or asks for over the network is kept, for tests to look at.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tornado.websocket import WebSocketClientConnection, websocket_connect

START_S = 60.0  # half a second alone; a loaded machine may need a hundred times that
ANSWER_S = 30.0
MAX_MESSAGE_BYTES = 64 * 1024 * 1024  # a screenshot is some
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MISSING = (
    "this test needs Chromium, and there is none on the PATH. Debian and Ubuntu: `make browser` as root, or "
    "apt install chromium. To leave it out: make test ARGS=\"-m 'not browser'\""
)


class Page:
    """One tab. `requests` are all URLs that it asked for, `complaints` what went to its console as an error."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self._socket = socket
        self._session = ""
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.requests: list[str] = []
        self.complaints: list[str] = []

    async def ask(self, method: str, **params: Any) -> Any:
        """One command's result. Raises AssertionError when Chromium refuses it."""
        self._number += 1
        answer = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        message = {"id": self._number, "method": method, "params": params}
        await self._socket.write_message(json.dumps(message | ({"sessionId": self._session} if self._session else {})))
        said = await asyncio.wait_for(answer, ANSWER_S)
        assert "error" not in said, f"{method}: {said['error']}"
        return said["result"]

    async def listen(self) -> None:
        """Reads until the browser goes."""
        while (text := await self._socket.read_message()) is not None:
            said = json.loads(text)
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            else:
                self._event(said["method"], said["params"])

    def _event(self, name: str, params: Any) -> None:
        if name == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif name == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif name == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif name == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(params["args"]))

    async def attach(self) -> None:
        target = (await self.ask("Target.createTarget", url="about:blank"))["targetId"]
        self._session = (await self.ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.ask(f"{domain}.enable")

    async def open(self, url: str, until: str) -> None:
        """Goes there and waits until the JavaScript expression `until` holds."""
        await self.ask("Page.navigate", url=url)
        await self.until(until)

    async def run(self, expression: str) -> Any:
        """The value of a JavaScript expression; promises are awaited."""
        said = await self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def until(self, expression: str) -> None:
        """Waits until the expression holds: the browser looks again whenever it draws."""
        await self.run(
            f"""new Promise((done, failed) => {{
                const end = performance.now() + {ANSWER_S * 900};
                const look = () => {{
                    if ({expression}) done(true);
                    else if (performance.now() > end) failed(new Error('never came true'));
                    else setTimeout(look, 20);
                }};
                look();
            }})"""
        )

    async def click(self, selector: str) -> None:
        """As a person does: the mouse, at the middle of the element."""
        place = await self.run(
            f"""(() => {{
                const element = document.querySelector({json.dumps(selector)});
                element.scrollIntoView({{block: 'center'}});
                const box = element.getBoundingClientRect();
                return {{x: box.x + box.width / 2, y: box.y + box.height / 2}};
            }})()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    async def type(self, selector: str, text: str) -> None:
        """Replaces what stands in a field, by the keyboard."""
        await self.click(selector)
        await self.run("document.activeElement.select()")
        await self.ask("Input.insertText", text=text)

    async def screenshot(self, file: Path) -> None:
        shot = await self.ask("Page.captureScreenshot", format="png")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    async def look(self, *, width: int, height: int, dark: bool) -> None:
        await self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.ask("Emulation.setEmulatedMedia", features=[scheme])


def chromium() -> str:
    """The browser's path. Without one the test is skipped, or fails where `make test` could have installed it."""
    for name in _NAMES:
        found = shutil.which(name)
        if found:
            return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        pytest.fail(_MISSING)
    pytest.skip(_MISSING)


@contextlib.asynccontextmanager
async def browser() -> AsyncIterator[Page]:
    """A browser of its own, without any network but loopback in its mind, and one tab."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        arguments = [
            "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}", "--no-first-run",
            "--no-default-browser-check", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio",
            *(["--no-sandbox"] if os.geteuid() == 0 else []), "about:blank",
        ]  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            chromium(), *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            port, path = await _devtools(Path(profile) / "DevToolsActivePort", process)
            socket = await websocket_connect(f"ws://127.0.0.1:{port}{path}", max_message_size=MAX_MESSAGE_BYTES)
            page = Page(socket)
            listening = asyncio.create_task(page.listen())
            await page.attach()
            yield page
            socket.close()
            await listening
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _devtools(file: Path, process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Chromium writes its port and path once it listens."""
    async with asyncio.timeout(START_S):
        while True:
            assert process.returncode is None, f"Chromium ended with {process.returncode} before it listened"
            with contextlib.suppress(OSError):
                lines = file.read_text("utf-8").split()
                if len(lines) == 2:
                    return int(lines[0]), lines[1]
            await asyncio.sleep(0.05)
