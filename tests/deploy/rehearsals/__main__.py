"""Run rehearsals and print what they have shown: ``python -m tests.deploy.rehearsals heroku``.

Without names it runs all of them. It ends with 1 when one of them fails or loses a request.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from time import monotonic
from traceback import print_exc

from benchmarks.stress_page import commit, machine, write_figures
from tests.deploy.rehearsals import Absent, Proof
from tests.support.project import ROOT

PAGE = ROOT / "docs/reference/rehearsals.md"
_HEAD = """| platform | proof | seconds | size, MB | memory, MB | requests | lost | commit |
| --- | --- | --: | --: | --: | --: | --: | --- |"""


def main(arguments: list[str] | None = None) -> int:
    """Run the rehearsals, print a row for each proof; return the exit code."""
    known = rehearsals()
    parser = argparse.ArgumentParser(description="Deploy to stand-ins on this machine.")
    parser.add_argument("names", nargs="*", choices=[*known, []], metavar="name")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args(arguments)
    rows, reasons, failures = [], [], 0
    for name in options.names or known:
        proofs, reason, is_failure = run(known[name])
        failures += is_failure or any(proof.lost for proof in proofs)
        rows += [row(proof) for proof in proofs]
        reasons += [(name, reason, *"------")] if reason else []
        print(f"{name}: {reason or 'done'}", file=sys.stderr, flush=True)
    print(_table([*rows, *reasons]))
    if options.write and rows:
        write_figures(PAGE, "rehearse", f"{machine()}\n\n{_table(merged(PAGE.read_text(), rows))}")
    return 1 if failures else 0


def merged(text: str, rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the rows of a page, with these in the place of those of the same platforms."""
    there = text.partition(f"{_HEAD}\n")[2].partition("\n\n")[0].splitlines()
    cells = [tuple(line[2:-2].split(" | ")) for line in there]
    platforms = {row[0] for row in rows}
    kept = [each for each in cells if each[0] not in platforms]
    return sorted([*kept, *rows], key=lambda row: row[0].casefold())


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join([_HEAD, *("| " + " | ".join(cells) + " |" for cells in rows)])


def rehearsals() -> dict[str, Callable[[], list[Proof]]]:
    """Return the rehearsals by name: the modules of this folder that have ``rehearse``."""
    package = "tests.deploy.rehearsals"
    names = sorted(module.name for module in iter_modules([str(Path(__file__).parent)]))
    modules = {name: import_module(f"{package}.{name}") for name in names if name != "__main__"}
    runnable = {name: module for name, module in modules.items() if hasattr(module, "rehearse")}
    return {name: module.rehearse for name, module in runnable.items()}


def run(rehearse: Callable[[], list[Proof]]) -> tuple[list[Proof], str, bool]:
    """Run one rehearsal; return what it has shown, why there is nothing, and if that is a fault."""
    start = monotonic()
    try:
        return rehearse(), "", False
    except Absent as absent:
        return [], f"not rehearsed: {absent}", False
    except Exception as problem:  # noqa: BLE001 - the others are still run, and the exit code tells
        print_exc()
        return [], f"failed after {monotonic() - start:.0f} s: {type(problem).__name__}", True


def row(proof: Proof) -> tuple[str, ...]:
    """Write a proof as the cells of a row."""
    figures = (proof.seconds, proof.size_mb, proof.memory_mb, proof.requests, proof.lost)
    cells = ("-" if it is None else f"{it:,.0f}" for it in figures)
    return proof.platform, proof.proof, *cells, commit()


if __name__ == "__main__":
    raise SystemExit(main())
