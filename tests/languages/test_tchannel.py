"""docs/languages/node-tchannel and python-tchannel: their clients call us, and we call their servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

import mesh
from idl import pricing as contract
from tests.languages import others
from tests.languages.conftest import EXAMPLES, SAID, run, running

# The first run on a machine installs, and builds an extension for Python 2.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(2 * others.INSTALL_TIMEOUT_S)]


@dataclass(frozen=True)
class Language:
    """How to run a program of an example's folder."""

    command: Callable[[str], list[str]]
    environment: dict[str, str]


def node() -> Language:
    example = EXAMPLES / "node-tchannel"
    modules = others.node_modules(example)
    return Language(lambda name: [*others.node(), str(example / f"{name}.js")], {"NODE_PATH": str(modules)})


def python2() -> Language:
    example = EXAMPLES / "python-tchannel"
    python = others.python2()
    packages = others.python2_packages(python, example / "requirements.txt")
    return Language(lambda name: [python, str(example / f"{name}.py")], {"PYTHONPATH": str(packages)})


@pytest.fixture(params=[node, python2], ids=["node", "python2"], scope="module")
def language(request: pytest.FixtureRequest) -> Language:
    found: Language = request.param()
    return found


def test_their_client_calls_our_server(pricing, language):
    assert run([*language.command("client"), pricing], **language.environment) == SAID


async def test_our_client_calls_their_server(language):
    with running([*language.command("server"), "0"], **language.environment) as address:
        async with mesh.Node("test", env={}) as caller:
            prices = caller.client(contract.Pricing, peers=[address])
            with mesh.deadline(ms=60_000):  # an old server on a busy machine
                quote = await prices.quote(contract.QuoteRequest(km=12.5))
                assert (quote.fare_cents, quote.km, quote.currency) == (2538, 12.5, contract.Currency.CAD)
                with pytest.raises(contract.BadRoute, match="give km"):
                    await prices.quote(contract.QuoteRequest())
                asked = [prices.quote(contract.QuoteRequest(km=float(km))) for km in range(100)]
                assert [quote.km for quote in await asyncio.gather(*asked)] == list(range(100))
