"""The plot of how costs grow: one small picture per thing that was made larger."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.growth_section import Section

_COLUMNS = 2
_PICTURE_INCHES = (4.6, 3.0)


def draw(sections: Sequence[Section], path: Path) -> None:
    """Write the plot as a PNG file."""
    from matplotlib.figure import Figure

    rows = -(-len(sections) // _COLUMNS)
    width, height = _PICTURE_INCHES
    figure = Figure(figsize=(width * _COLUMNS, height * rows), layout="constrained")
    for at, one in enumerate(sections):
        axes = figure.add_subplot(rows, _COLUMNS, at + 1)
        most = 0.0
        for line in one.lines:
            points = [(size, 1e6 * cost) for size, cost in line.seconds.items() if cost]
            most = max(most, *(cost for _, cost in points))
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=line.name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(1, 2 * most)
        axes.set_title(one.title, fontsize=10)
        axes.set_xlabel(one.size, fontsize=8)
        axes.set_ylabel(f"CPU µs per {one.unit}", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(which="major", alpha=0.3)
        axes.legend(fontsize=7)
    figure.savefig(path, dpi=100, metadata={"Software": None})
