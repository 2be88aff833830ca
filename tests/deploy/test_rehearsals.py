"""What rehearsals print, by rehearsals of this file's own."""

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
        ("held", 0, "| Moon | landed | 12 | 1,234 | - | 20 | 0 |"),
        ("lossy", 1, "| Mars | landed | 1 | - | - | 20 | 1 |"),
        ("absent", 0, "| absent | not rehearsed: no rocket: build one | - | - | - | - | - |"),
        ("broken", 1, "| broken | failed after 0 s: ZeroDivisionError | - | - | - | - | - |"),
    ],
)
def test_row_of_a_rehearsal_tells_what_it_has_shown(
    name: str, code: int, row: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    known = {"held": held, "lossy": lossy, "absent": absent, "broken": broken}
    monkeypatch.setattr(rehearsals, "rehearsals", lambda: known)

    assert code == rehearsals.main([name])

    assert row == capsys.readouterr().out.splitlines()[-1]
