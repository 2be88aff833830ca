"""Besiege the service: ``python -m tests.siege``."""

import argparse
import sys
import tempfile
from pathlib import Path

from persistence.model_persistence import ModelStore
from tests.siege.attacks import ATTACKS
from tests.siege.run import Siege, besiege
from tests.siege.target import ours
from tests.support.models import build_toys


def main(arguments: list[str] | None = None) -> int:
    """Run the attacks, print a line for each; return 1 when one was not held."""
    options = _parser().parse_args(arguments)
    sieges = []
    with tempfile.TemporaryDirectory(prefix="siege-") as name:
        folder = Path(name)
        store = ModelStore(folder / "store")
        build_toys(store)
        for attack in ATTACKS:
            for has_key in (False, True):
                if options.only not in attack:
                    continue
                with ours(store, folder) as target:
                    siege = besiege(target, attack, has_key=has_key, seconds=options.seconds)
                sieges.append(siege)
                print(line(siege), flush=True)
    return 0 if all(siege.is_held for siege in sieges) else 1


def line(siege: Siege) -> str:
    """Return a siege as a row of a Markdown table."""
    key = "with a key" if siege.has_key else "without"
    answers = ", ".join(f"{count} of {status}" for status, count in sorted(siege.statuses.items()))
    return (
        f"| {siege.attack} | {key} | {siege.connections:,} | {answers} | {siege.worst:.2f} s "
        f"| {siege.memory:.0f} MB | {siege.deaths} |"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Attackers beside a good client.")
    parser.add_argument("--seconds", type=float, default=10, help="of each attack")
    parser.add_argument("--only", default="", help="attacks whose name holds this text")
    return parser


if __name__ == "__main__":
    sys.exit(main())
