"""Besiege the service: ``python -m tests.siege``."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from benchmarks.environments import ROOT
from benchmarks.processes import adopt_orphans
from benchmarks.roster import FASTAPI_RAW, FLASK_SKLEARN
from benchmarks.stress_page import machine, table, write_figures
from persistence.model_persistence import ModelStore
from tests.siege.attacks import ATTACKS
from tests.siege.run import Siege, besiege
from tests.siege.target import ours, peer
from tests.support.models import build_toys

PAGE = ROOT / "docs/explanation/siege.md"
PEERS = (FLASK_SKLEARN, FASTAPI_RAW)
COLUMNS = ("attack", "key", "worst wait, s", "memory, MB", "died", "not answered")
HEAD = """| server | attack | with a key | connections | answers to a good client | its worst wait \
| memory at most | processes that died |
|---|---|---|---|---|---|---|---|"""


def main(arguments: list[str] | None = None) -> int:
    """Run the attacks, print a line for each; return 1 when this service did not hold one."""
    options = _parser().parse_args(arguments)
    names = [name for name in ATTACKS if options.only.lower() in name.lower()]
    sieges, of_peers = [], []
    print(HEAD)
    with tempfile.TemporaryDirectory(prefix="siege-") as folder:
        store = ModelStore(Path(folder) / "store")
        build_toys(store)
        for name, has_key in product(names, (False, True)):
            with ours(store, Path(folder)) as target:
                sieges.append(besiege(target, name, has_key=has_key, seconds=options.seconds))
            print(line(sieges[-1]), flush=True)
    if options.peers:
        adopt_orphans()
    for contender, name in product(PEERS if options.peers else (), names):
        with peer(contender) as target:
            of_peers.append(besiege(target, name, has_key=False, seconds=options.seconds))
        print(line(of_peers[-1]), flush=True)
    if options.write:
        text = figures([*sieges, *of_peers])
        write_figures(PAGE, "siege", f"{machine()} {options.seconds:g} s each.\n\n{text}")
    return 0 if all(siege.is_held for siege in sieges) else 1


def figures(sieges: Sequence[Siege]) -> str:
    """Return a Markdown table for each server."""
    rows: dict[str, list[list[str]]] = {}
    for siege in sieges:
        unanswered = sum(count for status, count in siege.statuses.items() if status != "200")
        figure = [f"{siege.worst:.2f}", f"{siege.memory:.0f}", str(siege.deaths), str(unanswered)]
        key = "yes" if siege.has_key else "no"
        rows.setdefault(siege.target, []).append([siege.attack, key, *figure])
    return "\n\n".join(f"### {name}\n\n{table(COLUMNS, lines)}" for name, lines in rows.items())


def line(siege: Siege) -> str:
    """Return a siege as a row of a Markdown table."""
    key = "yes" if siege.has_key else "no"
    answers = ", ".join(f"{count} of {status}" for status, count in sorted(siege.statuses.items()))
    return (
        f"| {siege.target} | {siege.attack} | {key} | {siege.connections:,} | {answers} "
        f"| {siege.worst:.2f} s | {siege.memory:.0f} MB | {siege.deaths} |"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Attackers beside a good client.")
    parser.add_argument("--seconds", type=float, default=10, help="of each attack")
    parser.add_argument("--peers", action="store_true", help="besiege two other servers as well")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    parser.add_argument("--only", default="", help="attacks whose name holds this text")
    return parser


if __name__ == "__main__":
    sys.exit(main())
