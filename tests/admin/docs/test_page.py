"""/docs in a real Chromium: what a person reads, fills in and clicks."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tornado.web import Application, RequestHandler

import mesh
from tests.admin.docs.browser import Page, browser
from tests.admin.docs.conftest import Shop

pytestmark = [pytest.mark.integration, pytest.mark.browser]

READY = "document.body && document.body.dataset.ready"
SHOTS = Path(os.environ["MESH_SHOTS"]) if "MESH_SHOTS" in os.environ else None  # to look at what is tested here


@pytest.fixture
async def page(node: mesh.Node) -> AsyncIterator[Page]:
    assert node.admin is not None
    async with browser() as tab:
        await tab.look(width=1200, height=1400, dark=False)
        await tab.open(f"http://{node.admin.address}/docs", READY)
        yield tab


def _part(method: str) -> str:
    return f"[id='shop.Shop.{method}']"


async def _call(page: Page, method: str, body: object | None = None) -> tuple[str, str]:
    """Fills the form of a method, clicks, and gives what the answer says: its first line, and the value."""
    if body is not None:
        await page.type(f"{_part(method)} textarea", body if isinstance(body, str) else json.dumps(body))
    await page.run(f'document.querySelector("{_part(method)} .answer").replaceChildren()')
    await page.click(f"{_part(method)} button")
    await page.until(f'document.querySelector("{_part(method)} .outcome")')
    return (
        await page.run(f'document.querySelector("{_part(method)} .outcome").textContent'),
        await page.run(f'document.querySelector("{_part(method)} .value").textContent'),
    )


async def test_a_person_reads_the_contract_and_calls(page: Page, node: mesh.Node, handler: Shop) -> None:
    text = await page.run("document.body.innerText")
    for said in ("Shop, called as shop", "owner retail", "timeout 5000 ms", "priority critical", "p99 50 ms",
                 "idempotent, 3 attempts", "SLA 99.5 % over 30 days", "deprecated: it only crashes; use buy",
                 "oneway: no answer", "fault of the service"):  # fmt: skip
        assert said in text
    assert "min 1, max 100" not in text, "types are closed at first"
    await page.click(f"{_part('buy')} details summary")
    await page.until(f'document.querySelector("{_part("buy")} details ul")')
    opened = await page.run(f'document.querySelector("{_part("buy")} details").innerText')
    for said in ("1: required i32 count min 1, max 100", "pii: never shown", "enum shop.Colour", "struct places.Place",
                 "deprecated: <img src=x onerror=alert(1)>", "max_length 40, pattern [a-z<>]*"):  # fmt: skip
        assert said in opened

    example = await page.run(f'document.querySelector("{_part("buy")} textarea").value')
    assert json.loads(example) == {"order": {"count": 1}}
    outcome, value = await _call(page, "buy", {"order": {"count": 3, "colour": "BLUE", "phone": "555", "note": "<b>"}})
    assert outcome.startswith("ok in ")
    assert json.loads(value) == {"count": 3, "colour": "BLUE", "phone": "***", "note": "<b>"}
    trace = await page.run(f'document.querySelector("{_part("buy")} .trace").textContent')
    assert len(trace) == 32
    assert handler.calls == ["buy"]

    outcome, value = await _call(page, "buy", {"order": {"count": 13}})
    assert outcome.startswith("declared in ")
    assert json.loads(value) == {"name": "SoldOut", "fault": "service", "fields": {"what": "bread"}}
    outcome, value = await _call(page, "buy", {"order": {"count": 101}})
    assert outcome.startswith("bad_request")
    assert "must be at most 100" in value or "101" in value or "100" in value
    assert await _call(page, "buy", {"order": {"cuont": 1}}) == (
        "not called", "the body: order.cuont: Order has no such field; did you mean 'count'?",
    )  # fmt: skip
    assert (await _call(page, "buy", "{nonsense"))[0] == "not called"
    outcome, value = await _call(page, "crash")
    assert outcome.startswith("unexpected")
    assert "a secret" not in value

    await page.run(f"document.querySelector(\"{_part('wait')} input\").value = '50'")
    outcome, value = await _call(page, "wait", {"seconds": 30})
    assert outcome.startswith("timeout in ")
    assert "limit 50 ms" in value
    await page.type(f"{_part('header')} input[id$=headers]", '{"tenant": "red"}')
    assert (await _call(page, "header", {"name": "tenant"}))[1] == '"red"'
    await _call(page, "shout", {"text": "hello"})
    await asyncio.wait_for(handler.heard.wait(), 10)
    assert handler.calls[-1] == "shout hello"

    assert node.admin is not None
    home = f"http://{node.admin.address}/"
    assert [url for url in page.requests if not url.startswith((home, "data:", "about:"))] == []
    # What the server refused as no call is told in the browser's own console, too; nothing else is.
    assert [said for said in page.complaints if "status of 400" not in said] == []


async def test_integers_keep_all_their_digits(page: Page) -> None:
    _, value = await _call(page, "buy", '{"order": {"count": 1, "big": 9007199254740993}}')
    assert json.loads(value) == {"count": 1, "big": 9007199254740993}
    _, value = await _call(page, "buy", '{"order": {"count": 1, "big": -9223372036854775808, "note": "a"}}')
    assert json.loads(value)["big"] == -(2**63)


async def test_it_fits_a_telephone_and_the_night(page: Page) -> None:
    await page.click(f"{_part('buy')} details summary")
    backgrounds = []
    for name, width, dark in (("light", 1200, False), ("dark", 1200, True), ("phone", 360, True)):
        await page.look(width=width, height=1400, dark=dark)
        assert await page.run("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} scrolls sideways"
        backgrounds.append(await page.run("getComputedStyle(document.body).backgroundColor"))
        if SHOTS is not None:
            await page.screenshot(SHOTS / f"{name}.png")
    assert backgrounds == ["rgb(255, 255, 255)", "rgb(20, 23, 28)", "rgb(20, 23, 28)"]


async def test_everything_has_a_name_and_the_keyboard_reaches_it(page: Page) -> None:
    unnamed = await page.run(
        """[...document.querySelectorAll('input, textarea, button, summary, a')]
            .filter((x) => !(x.labels?.length || x.textContent.trim())).map((x) => x.outerHTML)"""
    )
    assert unnamed == []
    assert await page.run("document.querySelectorAll('[aria-live]').length") == 5
    await page.run("document.querySelector('.skip').focus()")
    for _ in range(2):
        await page.ask("Input.dispatchKeyEvent", type="keyDown", key="Tab", windowsVirtualKeyCode=9)
    assert await page.run("document.activeElement.textContent") == "buy"
    await page.type("#filter", "wait")
    assert await page.run("[...document.querySelectorAll('.method')].filter((x) => !x.hidden).length") == 1


class _Evil(RequestHandler):
    def get(self) -> None:
        self.finish("<!doctype html><title>evil</title>")


async def test_another_page_can_neither_call_nor_read(page: Page, node: mesh.Node, handler: Shop) -> None:
    application = Application([(r"/", _Evil)], log_function=lambda handler: None)
    server = application.listen(0, "127.0.0.1")
    port = next(iter(server._sockets.values())).getsockname()[1]
    assert node.admin is not None
    admin = f"http://{node.admin.address}"
    request = json.dumps({"service": "shop", "method": "Shop::buy", "body": {"order": {"count": 1}}})
    try:
        await page.open(f"http://localhost:{port}/", "document.title === 'evil'")
        for path in ("/docs", "/docs.json", "/debug/config"):
            assert await page.run(f"fetch('{admin}{path}').then(() => 'read', () => 'refused')") == "refused"
        for kind in ("application/json", "text/plain"):
            options = json.dumps({"method": "POST", "body": request, "headers": {"Content-Type": kind}})
            said = await page.run(f"fetch('{admin}/docs/call', {options}).then(() => 'read', () => 'refused')")
            assert said == "refused"
        blind = json.dumps({"method": "POST", "body": request, "mode": "no-cors", "credentials": "include"})
        assert await page.run(f"fetch('{admin}/docs/call', {blind}).then(() => 'sent', () => 'refused')") == "refused"
        framed = f"""new Promise((done) => {{
            const frame = document.createElement('iframe');
            frame.onload = () => {{ try {{ done(String(frame.contentDocument)) }} catch {{ done('apart') }} }};
            frame.src = '{admin}/docs'; document.body.append(frame);
        }})"""
        assert await page.run(framed) in ("apart", "null")
    finally:
        server.stop()
        await server.close_all_connections()
    assert handler.calls == []
