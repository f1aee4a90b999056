"""docs/languages.md shows the programs that the other tests run."""

import re

from tests.languages.conftest import EXAMPLES


def test_the_page_shows_each_client_as_it_stands():
    page = EXAMPLES.with_suffix(".md").read_text()
    shown = dict(re.findall(r"^`languages/(\S+)`:\n\n```\w+\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    clients = {str(path.relative_to(EXAMPLES)): path.read_text() for path in EXAMPLES.glob("*/client.*")}
    assert shown == clients
    assert all(f"languages/{name.split('/')[0]})" in page for name in clients)
