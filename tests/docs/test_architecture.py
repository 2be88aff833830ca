"""The drawn architecture is the one that the imports show."""

import tomllib
from itertools import product

import pytest

from tests.support.project import ROOT
from tests.test_layers import MAY_IMPORT, files, imported_files, room

SOURCE = ROOT / "docs/explanation/architecture.toml"
ROOMS = {drawn["name"]: drawn for drawn in tomllib.loads(SOURCE.read_text())["room"]}


def imports() -> set[tuple[str, str]]:
    """Return the pairs of drawn rooms of which the first imports the second."""
    pairs = {(room(path), room(other)) for path in files() for other in imported_files(path)}
    named = {name.removesuffix(".py"): name for name in ROOMS}
    return {(named[one], named[two]) for one, two in pairs
            if one != two and {one, two} <= set(named)}  # fmt: skip


def reached(start: str) -> set[str]:
    """Return the rooms that the arrows lead to from one."""
    found: set[str] = set()
    ahead = list(ROOMS[start]["uses"])
    while ahead:
        found.add(ahead[0])
        ahead += ROOMS[ahead.pop(0)]["uses"]
    return found


def test_rooms_when_drawn_are_all_rooms() -> None:
    rooms = {room(path) for path in files()} & {*MAY_IMPORT}  # others are the user's own

    named = {name.removesuffix(".py") for name in ROOMS}
    beside = {"settings", "noxfile", "data", "bin", "docs", "deploy", "benchmarks", "engine"}
    assert rooms - beside == named


def test_arrows_when_compared_with_the_imports_are_those() -> None:
    drawn = {(name, used) for name, one in ROOMS.items() for used in one["uses"]}

    assert set() == drawn - imports(), "drawn, but not imported"
    assert set() == {(one, two) for one, two in imports() if two not in reached(one)}


@pytest.mark.parametrize(("one", "two"), product(ROOMS, ROOMS))
def test_arrows_when_followed_lead_down(one: str, two: str) -> None:
    assert two not in ROOMS[one]["uses"] or ROOMS[one]["at"][0] < ROOMS[two]["at"][0]
