"""The plot of the benchmark's page."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring import FEW, MORE
from benchmarks.page import Entry, figure


def draw(entries: Sequence[Entry], path: Path) -> None:
    """Draw requests per second, slowest at the bottom, on a logarithmic axis."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "benchmark"})
    measured = [(one, one.figures) for one in entries if one.figures]
    measured.sort(key=lambda pair: pair[1].more.rate)
    drawing = Figure(figsize=(9, 0.9 + 0.45 * len(measured)), layout="constrained")
    axes = drawing.subplots()
    for offset, connections, colour in ((0.2, FEW, "#9ecae1"), (-0.2, MORE, "#2171b5")):
        rates = [(found.few if connections == FEW else found.more).rate for _, found in measured]
        places = [place + offset for place in range(len(measured))]
        label = f"{connections} connection" + ("s" if connections > 1 else "")
        bars = axes.barh(places, rates, height=0.38, color=colour, label=label)
        axes.bar_label(bars, [figure(rate) for rate in rates], padding=3, fontsize=8)
    axes.set_yticks(range(len(measured)), [one.title for one, _ in measured])
    axes.set_xscale("log")
    axes.set_xlim(left=1, right=axes.get_xlim()[1] * 2)
    axes.margins(y=0.01)
    axes.set_xlabel("requests per second, one record each (logarithmic)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    drawing.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
