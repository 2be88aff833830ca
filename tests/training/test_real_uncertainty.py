"""Coverage on real data, of rows that neither made the model nor its limits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeRegressor

from engine.runtime.coverage import Intervals
from engine.scoring.judged import HeldOutAnswers
from engine.training.evaluation import conformal
from tests.support.project import ROOT

DATA = ROOT / "../shared/data"


def beers(folder: Path) -> tuple[pd.DataFrame, np.ndarray]:
    table = pd.read_csv(folder / "beers/beers_cleaned.csv").dropna(subset=["ibu"])
    return table[["abv", "target_fg", "target_og", "ebc", "srm", "ph"]], table["ibu"].to_numpy()


def milk(folder: Path) -> tuple[pd.DataFrame, np.ndarray]:
    table = pd.read_csv(folder / "milk-price/precio_leche.csv")
    before = table["Precio_leche"].shift(1)
    X = pd.DataFrame({"before": before, "mean": before.rolling(3).mean()})
    is_whole = X.notna().all(axis=1)
    return X[is_whole], table["Precio_leche"][is_whole].to_numpy()


def flights(folder: Path) -> tuple[pd.DataFrame, np.ndarray]:
    table = pd.read_csv(folder / "flights-scl/flights_scl_2017.csv.gz").sample(4000, random_state=1)
    at = pd.to_datetime(table["Fecha-I"])
    words = [table[name].astype("category").cat.codes for name in ("OPERA", "SIGLADES")]
    X = pd.concat([at.dt.hour, at.dt.month, *words], axis=1)
    return X.set_axis(["hour", "month", "airline", "city"], axis=1), table["dif_min"].to_numpy()


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("load", [beers, milk, flights])
def test_intervals_of_skewed_targets_hold_within_two_points(
    load: Callable[[Path], tuple[pd.DataFrame, np.ndarray]], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not DATA.is_dir():
        pytest.skip(f"there is no {DATA}")
    monkeypatch.setattr(conformal, "RESPLITS", 1)
    X, y = load(DATA)
    hits = []
    for seed in range(100):
        order = np.random.default_rng(seed).permutation(len(y))
        learnt, held_out, fresh = np.split(order, [len(y) * 6 // 10, len(y) * 8 // 10])
        model = DecisionTreeRegressor(min_samples_leaf=10, random_state=0).fit(
            X.iloc[learnt], y[learnt]
        )
        trained, judged = (
            HeldOutAnswers(y[rows], model.predict(X.iloc[rows])) for rows in (learnt, held_out)
        )
        entry = conformal.calibrate(judged, trained, pd.DataFrame(), "y")
        target = {"kind": "number", "name": "y", "example": 1.0}
        card = {"classes": None, "schema": {"target": target}, "uncertainty": entry}
        low, high = Intervals(card, 0.9).of_all(model.predict(X.iloc[fresh])).T
        hits.append(((low <= y[fresh]) & (y[fresh] <= high)).mean())

    assert 0.9 == pytest.approx(np.mean(hits), abs=0.02)
