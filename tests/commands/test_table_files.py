"""Files as spreadsheets write them, and the table that trained a model, scored as they are."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask.testing import FlaskClient

from persistence.model_persistence import ModelStore
from tests.support.application import serve
from tests.support.project import ROOT
from tests.support.table_bodies import CSV, PARCEL, ask, write_csv

Run = Callable[..., Result]


WRITTEN: dict[str, tuple[str, str]] = {
    "semicolons and decimal commas": (";", "utf-8"),
    "tabs in UTF-16": ("\t", "utf-16"),
    "commas in Windows-1252": (",", "cp1252"),
    "bars": ("|", "utf-8-sig"),
}


@pytest.mark.parametrize("way", WRITTEN)
def test_csv_when_excel_wrote_it_is_recognised_by_its_header(
    run: Run, toy_client: FlaskClient, tmp_path: Path, way: str
) -> None:
    delimiter, charset = WRITTEN[way]
    records = [{**PARCEL, "note": "São"}, {**PARCEL, "weight": -1, "note": ""}]
    rows = [[str(value).lower() for value in one.values()] for one in records]
    if delimiter == ";":
        rows = [[cell.replace(".", ",") for cell in row] for row in rows]
    lines = csv.writer(text := io.StringIO(), delimiter=delimiter)
    lines.writerows([[*records[0]], rows[0], [""] * len(rows[0])])
    (tmp_path / "in.csv").write_text(text.getvalue(), encoding=charset, newline="")
    lines.writerow(rows[1])
    (tmp_path / "bad.csv").write_text(text.getvalue(), encoding=charset, newline="")

    kept, refused = run("in.csv", "--columns", "keep"), run("bad.csv")

    assert 0 == kept.exit_code, kept.stderr
    header, row = csv.reader(io.StringIO(kept.stdout_bytes.decode()))
    found = dict(zip(header, row, strict=True))
    assert rows[0] == [found[name] for name in records[0]]
    expected = csv.DictReader(
        io.StringIO(ask(toy_client, write_csv([PARCEL]), CSV, CSV).data.decode())
    )
    assert next(expected).items() <= found.items()
    assert "line 4, row 3, weight: is -1" in refused.stderr


def test_training_table_when_predicted_as_it_is_is_answered(
    credit_store: ModelStore, client: FlaskClient
) -> None:
    path = ROOT / "data/credit_sample.csv"
    runner = serve(credit_store, "credit").test_cli_runner()

    done = runner.invoke(args=["predict", str(path)])

    lines = path.read_text().splitlines()
    named = re.sub("^[^,]*,", "", "\n".join([lines[0].lower(), *lines[1:]]), flags=re.MULTILINE)
    assert 0 == done.exit_code, done.stderr
    assert len(lines) == len(done.stdout.splitlines())
    assert ask(client, named.encode(), CSV, CSV).data == done.stdout_bytes
    assert ask(client, path.read_bytes(), CSV, CSV).data == done.stdout_bytes
