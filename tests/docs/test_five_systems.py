"""The page of the five systems claims nothing without a test that is there."""

import re

from tests.support.project import ROOT

PAGE = ROOT / "docs/reference/five-systems.md"


def test_item_that_is_here_names_a_test_that_is_there() -> None:
    items = re.findall(r"(?m)^- \*\*(.+?)\*\*: ((?:.+\n)(?:  .+\n)*)", PAGE.read_text())

    assert len(items) >= 50
    for here, text in items:
        assert here in ("yes", "partly", "no"), text
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
        assert named or here == "no", text
        for file, function in named:
            assert f"def {function}" in (ROOT / file).read_text(), f"{file}::{function}"
