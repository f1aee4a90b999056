"""docs/languages/python-blocking."""

import sys

import pytest

from tests.languages.conftest import EXAMPLES, ROOT, SAID, run


@pytest.mark.integration
def test_the_program_gets_its_quotes(pricing):
    program = str(EXAMPLES / "python-blocking" / "client.py")
    assert run([sys.executable, program, pricing], PYTHONPATH=str(ROOT)) == SAID
