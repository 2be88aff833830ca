"""A short siege: no attack ends a process or keeps a good client from its answers."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest

from persistence.model_persistence import ModelStore
from tests.siege.__main__ import figures, line
from tests.siege.attacks import ATTACKS
from tests.siege.run import Siege, besiege
from tests.siege.target import Target, ours

#: One of each kind: heads, bodies, parses, tables, answers.
SHORT = (
    "heads of 10,800 fields, unfinished",
    "bodies of which 60 bytes come",
    "JSON of nested lists",
    "4 MB of line ends as CSV",
    "tables whose answers nobody reads",
)


@pytest.fixture
def target(toy_store: ModelStore, tmp_path: Path) -> Iterator[Target]:
    """Start the service with few open files."""
    with ours(toy_store, tmp_path) as found:
        yield found


def test_short_siege_names_attacks_that_exist() -> None:
    assert {*SHORT} <= {*ATTACKS}


@pytest.mark.slow
@pytest.mark.parametrize(("attack", "has_key"), [*zip(SHORT, cycle((True, False)), strict=False)])
def test_attack_is_held(target: Target, attack: str, has_key: bool) -> None:  # noqa: FBT001
    siege = besiege(target, attack, has_key=has_key, seconds=2)
    print(line(siege))  # the seconds are printed, not judged

    assert siege.connections
    assert siege.deaths == 0, line(siege)
    assert [*siege.statuses] == ["200"], line(siege)


def test_figures_have_a_table_for_each_server() -> None:
    held = Siege("ours", "heads", has_key=True, connections=9, statuses={"200": 30}, worst=0.5,
                 memory=90.4, deaths=0)  # fmt: skip
    fallen = Siege("peer", "heads", has_key=False, connections=9,
                   statuses={"200": 3, "OSError": 1}, worst=30.0, memory=600, deaths=2)  # fmt: skip
    assert figures([held, fallen]).splitlines()[4::6] == [
        "| heads | yes | 0.50 | 90 | 0 | 0 |",
        "| heads | no | 30.00 | 600 | 2 | 1 |",
    ]
