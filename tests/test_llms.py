"""llms.txt: what programs that write programs read first."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINKS = re.compile(r"^- \[(.+?)\]\((.+?)\)", re.MULTILINE)
#: Pages that only lead to others.
LEADING = {"index.rst", "changelog.rst"}


def test_links_lead_to_pages():
    """Every link leads to a file, and is called what the page is called."""
    links = LINKS.findall((ROOT / "llms.txt").read_text())
    assert {(name, path) for name, path in links if path.startswith("docs/")} == {
        ((ROOT / path).read_text().partition("\n")[0], path) for _, path in links if path.startswith("docs/")
    }
    assert [path for _, path in links if not (ROOT / path).is_file()] == []


def test_every_page_is_there():
    """No page of the documentation is missing."""
    linked = {path for _, path in LINKS.findall((ROOT / "llms.txt").read_text())}
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.rst") if path.name not in LEADING}
    assert pages - linked == set()
