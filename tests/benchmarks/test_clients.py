"""The table of other servers' clients: every script has pins, and a failure is not lost."""

import pytest

from benchmarks.clients.run_all import PINS, main, names, write_table
from benchmarks.clients.run_all import _read as read


def test_client_when_it_has_a_script_has_pins_and_the_other_way_round() -> None:
    assert set(names()) == set(PINS)
    assert [] == [pin for pins in PINS.values() for pin in pins if "==" not in pin]


def test_output_when_a_library_prints_too_gives_the_lines() -> None:
    line = {"client": "a 1", "call": "b", "verdict": "pass"}

    found = list(read('hello\n3\n{"client": "a 1", "call": "b", "verdict": "pass"}\n{"x": 1}\n'))

    assert [line] == found
    assert "a 1     b     pass" in write_table(found)


def test_client_when_it_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["nothing"])

    assert "there is no client 'nothing'" in capsys.readouterr().err
