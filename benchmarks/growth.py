"""How the cost of a prediction grows with what is asked of it.

python -m benchmarks.growth                     print the tables
python -m benchmarks.growth --only rows models  print some of them
python -m benchmarks.growth --write             write docs/reference/growth.md and its plot
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial

from benchmarks import growth_http, growth_inside
from benchmarks.environments import ROOT
from benchmarks.growth_plot import draw
from benchmarks.growth_section import Section
from benchmarks.stress_page import machine, write_figures

PAGE = ROOT / "docs/reference/growth.md"
PLOT = PAGE.with_suffix(".png")

SECTIONS: dict[str, Callable[[], Section]] = {
    "trees": growth_inside.trees,
    "fields": growth_inside.fields,
    "ordinal": partial(growth_inside.categories, "ordinal", must=0),
    "one-hot": partial(growth_inside.categories, "one-hot", must=1),
    "rows": growth_inside.rows,
    "refused": growth_inside.refused_rows,
    "models": growth_inside.models,
    "workers": growth_http.workers,
    "idle": growth_http.idle_connections,
    "active": growth_http.active_connections,
}


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; give the exit status."""
    options = _parser().parse_args(arguments)
    sections = []
    for name in options.only or SECTIONS:
        sections.append(SECTIONS[name]())
        print(sections[-1].write(), end="\n\n", flush=True)
    if options.write:
        picture = f"![CPU time by size, one picture per section]({PLOT.name})"
        text = "\n\n".join([machine(), picture, *(one.write() for one in sections)])
        write_figures(PAGE, "growth", text)
        draw(sections, PLOT)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure how a prediction's cost grows.")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--only", nargs="+", choices=SECTIONS, help="measure some, write nothing")
    chosen.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
