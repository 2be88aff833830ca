"""The example of a drafted model: a record of its table, and a usual one."""

from pathlib import Path

import numpy as np
import pandas as pd

from engine.training.infer.draft import draft_model


def table_at(path: Path) -> pd.DataFrame:
    draw = np.random.default_rng(3)
    table = pd.DataFrame({
        "Age": draw.normal(40, 9, 300).round(1),
        "Children": draw.integers(0, 5, 300),
        "City": draw.choice(["Recife", "Natal", "Olinda"], 300, p=[0.6, 0.3, 0.1]),
        "Since": pd.Timestamp("2020-01-01") + pd.to_timedelta(draw.integers(0, 900, 300), unit="D"),
        "Member": draw.choice(["yes", "no"], 300, p=[0.7, 0.3]),
        "Churn": draw.choice(["gone", "here"], 300),
    })  # fmt: skip
    table.to_csv(path, index=False)
    return table


def examples_of(path: Path) -> dict[str, object]:
    draft = draft_model(str(path), "Churn", name="club", sample=path.name)
    return {each.header: each.arguments["example"] for each in draft.fields}


def test_examples_are_those_of_one_usual_row(tmp_path: Path) -> None:
    table = table_at(tmp_path / "club.csv")

    shown = examples_of(tmp_path / "club.csv")

    same = table[table["Age"] == shown["Age"]].astype({"Since": str})
    same = same[[*shown]].assign(Member=same["Member"] == "yes")
    assert shown in same.to_dict("records")
    assert abs(table["Age"].rank(pct=True)[same.index].to_numpy() - 0.5).min() < 0.2
    assert "Recife" == shown["City"]


def test_examples_are_frequent_values_where_no_row_is_complete(tmp_path: Path) -> None:
    table = table_at(tmp_path / "club.csv")
    table.loc[::2, "City"] = None
    table.loc[1::2, "Since"] = pd.NaT
    table.to_csv(tmp_path / "club.csv", index=False)

    shown = examples_of(tmp_path / "club.csv")

    assert "Recife" == shown["City"]
    assert shown["Since"] in {*table["Since"].dropna().astype(str)}
