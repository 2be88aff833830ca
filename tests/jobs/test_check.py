"""The check of a table on the command line."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import models
from jobs.check import main


@pytest.fixture
def credit_data(sample: list[Path]) -> Path:
    """Return the file of the credit sample."""
    return sample[1]


@pytest.fixture
def credit(credit_data: Path) -> pd.DataFrame:
    """Return the table of the credit sample."""
    return pd.read_csv(credit_data, keep_default_na=False)


def test_table_when_it_fits_ends_well_and_leaves_a_report(
    credit_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, rejected = tmp_path / "check.html", tmp_path / "rejected.csv"

    code = main(["credit", f"--data={credit_data}", f"--report={report}", f"--rejected={rejected}"])

    assert 0 == code
    assert capsys.readouterr().out.endswith("fits: Each of the 1,500 rows fits.\n")
    assert "The table fits" in report.read_text()
    assert 0 == len(pd.read_csv(rejected))


def test_table_when_it_does_not_fit_is_told_with_its_rows_and_written_as_it_was(
    credit: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, rejected = tmp_path / "credit.csv", tmp_path / "rejected.csv"
    credit = credit.astype({"Age": object})
    credit.loc[4, "Age"], credit.loc[8, "Home"] = 230, "casa; é"
    credit.to_csv(table, index=False)

    code = main(["credit", f"--data={table}", f"--rejected={rejected}"])

    assert 1 == code
    said = capsys.readouterr().out
    assert "row 5, column 'Age' (field 'age'): is 230, out of range" in said
    assert "credit.csv does not fit: 2 of 1500 rows" in said
    written = pd.read_csv(rejected, keep_default_na=False)
    assert [5, 9] == written["row"].tolist()
    assert ["230", "casa; é"] == [str(written["Age"][0]), written["Home"][1]]
    assert written["reasons"][0].startswith("age is 230, out of range: send")


def test_rows_when_they_have_no_target_fit_only_as_rows_to_predict(
    credit: pd.DataFrame, tmp_path: Path
) -> None:
    table = tmp_path / "new.csv"
    credit.drop(columns="Status").to_csv(table, index=False)

    assert 1 == main(["credit", f"--data={table}"])
    assert 0 == main(["credit", f"--data={table}", "--without-target"])


def test_rows_when_they_fit_are_written_for_a_batch_and_no_others(
    credit: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, accepted = tmp_path / "new.csv", tmp_path / "accepted.csv"
    credit.loc[4, "Age"] = 230
    credit.assign(remark="a").to_csv(table, index=False)

    assert 1 == main(["credit", f"--data={table}", f"--accepted={accepted}"])
    assert not accepted.exists()
    lenient = replace(models.find("credit"), set_aside=0.01)
    monkeypatch.setattr("jobs.check.find", lambda name: lenient)
    assert 0 == main(["credit", f"--data={table}", f"--accepted={accepted}"])

    written = pd.read_csv(accepted, keep_default_na=False)
    assert [*credit.columns] == [*written.columns]
    assert credit.drop(index=4)["Age"].tolist() == written["Age"].tolist()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nothing"], "there is no model 'nothing'"),
        (["credit", "--data=no.csv"], "no data file no"),
    ],
)
@pytest.mark.usefixtures("sample")
def test_command_when_it_is_used_wrongly_says_how_and_ends_with_2(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == main(arguments)
    assert reason in capsys.readouterr().err
