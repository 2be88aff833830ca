"""A terminal sees how far a long step is; anything else sees nothing."""

import io
import sys

import pytest

from engine.training.evaluation.progress import progress


class Terminal(io.StringIO):
    """A terminal that keeps what is written."""

    def isatty(self) -> bool:
        """Claim to be one."""
        return True


@pytest.mark.parametrize("screen", [Terminal(), io.StringIO()])
def test_progress_when_shown_on_a_terminal_says_what_is_done_and_left(
    screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", screen)

    assert [3, 4, 5] == list(progress([3, 4, 5], "importances"))

    assert ("importances:   0%|" in screen.getvalue()) == screen.isatty()
    assert ("0/3 [" in screen.getvalue()) == screen.isatty()
    assert screen.isatty() or "" == screen.getvalue()
