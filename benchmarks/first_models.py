"""First models: what `make new` makes of tables as they are, beside a tuned reference.

    python -m benchmarks.first_models                  writes docs/reference/first-models.md
    python -m benchmarks.first_models --only iris      prints one row

Each table goes through the command that a person types, in a copy of the project.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sklearn import datasets

from benchmarks import machine
from benchmarks.page import table

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/reference/first-models.md"

#: Data that lie beside the project, for tests alone: the file and the column that is predicted.
LENT = {
    "beers": ("beers/beers_cleaned.csv", "ibu"),
    "milk": ("milk-price/precio_leche.csv", "Precio_leche"),
    "tracks": ("tracks/data_todotipo.csv", "popularity"),
    "applicants": ("credit/credit_data.csv", "Status"),
    "flights": ("flights-scl/flights_scl_2017.csv.gz", "dif_min"),
}

_SECONDS = 600

#: The page in words, with places for the table and the machine.
_TEXT = Path(__file__).with_suffix(".md")


class Table(NamedTuple):
    """A table as a file, and what is predicted of it."""

    title: str
    file: Path
    target: str


class Row(NamedTuple):
    """A line of the page."""

    title: str
    size: str
    score: str
    baseline: float
    chosen: float
    model: str
    reference: float
    seconds: float

    def cells(self) -> tuple[str, ...]:
        """Format the row."""
        figures = (f"{value:.4g}" for value in (self.baseline, self.chosen, self.reference))
        baseline, chosen, reference = figures
        return (
            self.title, self.size, self.score, baseline, f"**{chosen}**", self.model, reference,
            f"{self.seconds:.0f}",
        )  # fmt: skip


def tables(folder: Path, lent: Path) -> Iterator[Table]:
    """Write the tables of scikit-learn and of the project into a folder; yield them all."""
    loads = {
        "iris": datasets.load_iris, "wine": datasets.load_wine, "digits": datasets.load_digits,
        "breast cancer": datasets.load_breast_cancer, "diabetes": datasets.load_diabetes,
    }  # fmt: skip
    for title, load in loads.items():
        bunch = load(as_frame=True)
        frame = bunch.frame
        if title not in ("digits", "diabetes"):
            frame = frame.assign(target=bunch.target_names[bunch.target])
        file = folder / f"{title.replace(' ', '_')}.csv"
        frame.to_csv(file, index=False)
        yield Table(title, file, "target")
    yield Table("credit (synthetic)", ROOT / "data/credit_sample.csv", "Status")
    for title, (name, target) in LENT.items():
        if (lent / name).is_file():
            file = folder / f"{title}.{name.partition('.')[2]}"
            shutil.copy(lent / name, file)
            yield Table(f"{title} *", file, target)


def measure(each: Table, project: Path) -> Row:
    """Write and train the model of a table in a copy of the project, and tune the reference."""
    name = each.title.partition(" ")[0]
    began = time.monotonic()
    _run(project, "build_model.py", name, "--from", str(each.file), "--target", each.target)
    seconds = time.monotonic() - began
    (card,) = (project / "artifacts" / name).glob("*/card.json")
    described = json.loads(card.read_text())
    entry = described["scores"][described["score"]]
    reference = float(_run(project, "-m", "benchmarks.first_reference", name).splitlines()[-1])
    size = f"{described['data']['rows']:,} x {len(described['schema']['fields'])}"
    return Row(
        each.title, size, described["score"], entry["baseline"], entry["value"],
        described["estimator"], reference, seconds,
    )  # fmt: skip


def copy_project(folder: Path) -> Path:
    """Copy what git knows of the project, without models, and the compiled runtime."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],  # noqa: S607
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = [Path(name) for name in listed.stdout.splitlines()]
    files += [path.relative_to(ROOT) for path in ROOT.glob("engine/runtime/exact-*.so")]
    for file in files:
        if (ROOT / file).is_file() and file.parts[0] not in ("tests", "docs"):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, folder / file)
    (folder / "models/credit.py").unlink(missing_ok=True)
    return folder


def _run(project: Path, *words: str) -> str:
    done = subprocess.run(  # noqa: S603
        [sys.executable, *words], cwd=project, capture_output=True, text=True, timeout=_SECONDS,
        env={**os.environ, "PYTHON_DOTENV_DISABLED": "1"}, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stdout[-500:]}{done.stderr[-1000:]}")
    return done.stdout


def page(rows: list[Row]) -> str:
    """Return the page."""
    heads = (
        "table", "rows x fields", "score", "baseline", "first model", "chosen", "reference", "s"
    )  # fmt: skip
    lines = table(heads, [row.cells() for row in rows])
    return _TEXT.read_text().format(table=lines, machine=machine.describe())


def main(arguments: list[str] | None = None) -> int:
    """Measure the tables; write the page, or print what was chosen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="the beginning of a table's title")
    parser.add_argument("--lent", type=Path, default=ROOT.parent / "shared/data")
    options = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        project = copy_project(Path(folder) / "project")
        for each in tables(project / "data", options.lent):
            if each.title.startswith(options.only):
                rows.append(measure(each, project))
                print(" | ".join(rows[-1].cells()), flush=True)
                if not options.only:  # what was measured stays, whatever stops the next one
                    PAGE.write_text(page(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
