"""What rehearsals print, by rehearsals of this file's own."""

from pathlib import Path

import pytest

from tests.deploy.rehearsals import Absent, Proof
from tests.deploy.rehearsals import __main__ as rehearsals


def held() -> list[Proof]:
    return [Proof("Moon", "landed", 12.4, size_mb=1234.2, requests=20, lost=0)]


def lossy() -> list[Proof]:
    return [Proof("Mars", "landed", 1, requests=20, lost=1)]


def absent() -> list[Proof]:
    raise Absent("no rocket: build one")


def broken() -> list[Proof]:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("name", "code", "row"),
    [
        ("held", 0, "| Moon | landed | 12 | 1,234 | - | 20 | 0 | abc |"),
        ("lossy", 1, "| Mars | landed | 1 | - | - | 20 | 1 | abc |"),
        ("absent", 0, "| absent | not rehearsed: no rocket: build one | - | - | - | - | - | - |"),
        ("broken", 1, "| broken | failed after 0 s: ZeroDivisionError | - | - | - | - | - | - |"),
    ],
)
def test_row_of_a_rehearsal_tells_what_it_has_shown(
    name: str, code: int, row: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    known = {"held": held, "lossy": lossy, "absent": absent, "broken": broken}
    monkeypatch.setattr(rehearsals, "rehearsals", lambda: known)
    monkeypatch.setattr(rehearsals, "commit", lambda: "abc")

    assert code == rehearsals.main([name])

    assert row == capsys.readouterr().out.splitlines()[-1]


def test_page_when_one_rehearsal_is_written_keeps_what_the_others_have_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "rehearsals.md"
    page.write_text("<!-- figures: written by `make rehearse`, edit nothing here -->\n<!-- end -->")
    known = {"held": held, "lossy": lossy, "absent": absent, "broken": broken}
    monkeypatch.setattr(rehearsals, "rehearsals", lambda: known)
    monkeypatch.setattr(rehearsals, "PAGE", page)
    for commit, name in (("abc", "held"), ("def", "lossy"), ("def", "absent"), ("fed", "lossy")):
        monkeypatch.setattr(rehearsals, "commit", lambda commit=commit: commit)
        rehearsals.main([name, "--write"])

    rows = [
        line for line in page.read_text().splitlines() if line.endswith((" abc |", "ef |", "fed |"))
    ]

    assert [
        "| Mars | landed | 1 | - | - | 20 | 1 | fed |",
        "| Moon | landed | 12 | 1,234 | - | 20 | 0 | abc |",
    ] == rows
