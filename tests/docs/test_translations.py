"""The pages of a first week in Portuguese and Spanish: never older than their English source.

Their blocks of code are those of the source, which other tests run.
"""

import hashlib
import re
from pathlib import Path

import pytest

from tests.support.pages import blocks
from tests.support.project import ROOT

DOCS = ROOT / "docs"
FOLDERS = ("pt-BR", "es")
PAGES = [page for folder in FOLDERS for page in sorted((DOCS / folder).rglob("*.md"))]

#: The first line of a translated page: its source, and the beginning of that one's digest.
_SOURCE = re.compile(r"<!-- from (\S+), sha256 ([0-9a-f]{16}) -->\n")


def source_of(page: Path) -> tuple[Path, str]:
    named = _SOURCE.match(page.read_text())
    assert named, "the first line names no source: see CONTRIBUTING.md"
    return ROOT / named[1], named[2]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_translation_when_its_source_changes_is_translated_anew(page: Path) -> None:
    source, digest = source_of(page)

    now = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    assert digest == now, f"{source.name} has changed: translate it, then write {now}"
    assert blocks(source) == blocks(page)
    headings = [
        [len(line.split()[0]) for line in re.findall(r"^#+ .*", each.read_text(), re.MULTILINE)]
        for each in (source, page)
    ]
    assert headings[0] == headings[1]


def test_translations_when_listed_are_the_same_in_both_languages() -> None:
    first, second = (
        {page.relative_to(DOCS / folder) for page in (DOCS / folder).rglob("*.md")}
        for folder in FOLDERS
    )

    assert first == second
    assert {Path("tutorial.md"), Path("how-to/api-keys.md")} <= first
