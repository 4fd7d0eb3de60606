"""``authz-server reference``: the pages that are made from the code."""

from pathlib import Path

import pytest

from authz_server.cli.reference import PAGES

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_current(page):
    """The committed reference pages are what the command prints."""
    assert (DOCS / f"{page}.md").read_text(encoding="utf-8") == PAGES[page]()
