"""What a pipeline fitted by the audit itself answers, and the records to compare it on."""

from typing import Any

import numpy as np
import pandas as pd

from engine.schema.fields import MISSING, UNKNOWN
from engine.training.split import split_rows
from tests.audit.pipelines import Case

#: How far a number may be from the pipeline's, as a share of the spread of held-out answers.
TOLERANCE = 1e-5
#: Probabilities so close count as equal, by runtime (decision 0008).
TIES = {"exact": 0.0, "native": 0.0, "onnx": 1e-6}
SEED, THRESHOLD = 0, 0.5
_HELD_OUT, _JUMPS, _DRAWN = 120, 48, 60


class Oracle:
    """The case's pipeline, fitted on the rows that the build learns from.

    Attributes
    ----------
    records : list of dict
        Held-out rows, rows beside the jumps of the pipeline's answers, and rows
        drawn from what the fields accept, as a caller writes them.
    spread : float
        From the 5th to the 95th percentile of the answers to held-out rows.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        fields = case.table.fields
        self._numbers = [field.name for field in fields if not field.words]
        self._words = {field.name: {*field.words} for field in fields if field.words}
        target, values = case.table.target(case.task)
        self.is_regression = case.task == "regression"
        X = self._clean(case.table.frame)
        y = pd.Series(values, name=target.name)
        rows, held_out, _ = split_rows(X, y, seed=SEED, is_classification=not self.is_regression)
        self.pipeline = case.build().fit(X.iloc[rows], y.iloc[rows])
        self.classes = list(target.classes or ())  # none of a regression
        answers = self._numbers_of(X.iloc[held_out])
        self.spread = float(np.subtract(*np.percentile(answers, [95, 5])))
        generator = np.random.default_rng(5)
        frame = case.table.frame.iloc[held_out[:_HELD_OUT]]
        self.records = [
            *map(_as_json, frame.to_dict("records")),
            *self._beside_jumps(case.table.frame.iloc[rows], generator),
            *({field.name: field.draw(generator) for field in fields} for _ in range(_DRAWN)),
        ]

    def expected(self, runtime: str) -> list[dict[str, Any]]:
        """Return each record's label or number, and its probabilities where it has any."""
        tie = TIES[runtime]
        X = self._clean(pd.DataFrame(self.records))
        if self.is_regression:
            return [{"value": float(value)} for value in self._numbers_of(X)]
        if not hasattr(self.pipeline, "predict_proba"):
            return [{"value": _plain(label)} for label in self.pipeline.predict(X)]
        order = [list(self.pipeline.classes_).index(label) for label in self.classes]
        return [
            {"value": self._decide(row, tie), "probabilities": row}
            for row in self.pipeline.predict_proba(X)[:, order].tolist()
        ]

    def _decide(self, row: list[float], tie: float) -> Any:
        if len(self.classes) == 2:
            return self.classes[int(row[1] >= THRESHOLD - tie)]
        least = max(row) - tie
        return next(c for c, share in zip(self.classes, row, strict=True) if share >= least)

    def wrong(self, answer: dict[str, Any], expected: dict[str, Any]) -> str:
        """Return what differs between an answer and what is expected; empty if nothing does."""
        value = answer["value"]
        if not self.is_regression and str(value).lower() != str(expected["value"]).lower():
            return f"{value} for {expected}"
        if self.difference(answer, expected) <= TOLERANCE:
            return ""
        return f"{answer} for {expected}, spread {self.spread:.3g}"

    def difference(self, answer: dict[str, Any], expected: dict[str, Any]) -> float:
        """Return how far a number, as a share of the spread, or a probability is off."""
        if self.is_regression:
            difference = abs(float(answer["value"]) - float(expected["value"]))
            return difference / self.spread if difference else 0.0
        theirs, ours = expected.get("probabilities"), answer.get("probabilities")
        if not theirs or not ours:
            return 0.0
        return max(abs(float(a) - float(b)) for a, b in zip(ours, theirs, strict=True))

    def _numbers_of(self, X: pd.DataFrame) -> np.ndarray:
        if self.is_regression:
            return np.asarray(self.pipeline.predict(X), dtype=np.float64).ravel()
        if hasattr(self.pipeline, "predict_proba"):
            return np.asarray(self.pipeline.predict_proba(X)[:, -1])
        margins = np.asarray(self.pipeline.decision_function(X))
        return margins if margins.ndim == 1 else margins[:, -1]

    def _clean(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return what a pipeline takes: doubles, and words with the two that stand for others."""
        columns = {}
        for field in self.case.table.fields:
            column = frame[field.name]
            if field.name in self._numbers:
                columns[field.name] = column.astype(np.float64)
                continue
            known = self._words[field.name]
            words = [
                MISSING if pd.isna(word) else word if word in known else UNKNOWN for word in column
            ]
            columns[field.name] = pd.Series(words, dtype=object, index=column.index)
        return pd.DataFrame(columns)

    def _beside_jumps(self, frame: pd.DataFrame, generator: np.random.Generator) -> list[Any]:
        """Search records between which the answer changes most; return both sides and the singles.

        Two rows differ in one number. Where their answers differ, the number is
        halved until two neighbouring doubles remain.
        """
        names = [field.name for field in self.case.table.fields if field.kind == "number"]
        rows = frame.iloc[generator.integers(0, len(frame), 4 * _JUMPS)].reset_index(drop=True)
        others = frame.iloc[generator.integers(0, len(frame), len(rows))]
        chosen = [names[place % len(names)] for place in range(len(rows))]
        low = np.array([rows[name][row] for row, name in enumerate(chosen)], dtype=np.float64)
        high = np.array([others[name].iloc[row] for row, name in enumerate(chosen)], np.float64)
        answers = [self._at(rows, chosen, ends) for ends in (low, high)]
        size = np.abs(answers[0] - answers[1])
        keep = np.flatnonzero(np.isfinite(size) & (size > 0))
        keep = keep[np.argsort(-size[keep], kind="stable")][:_JUMPS]
        rows, chosen = rows.iloc[keep].reset_index(drop=True), [chosen[row] for row in keep]
        low, high, answers = low[keep], high[keep], [ends[keep] for ends in answers]
        for _ in range(70):
            middle = low + (high - low) / 2
            there = self._at(rows, chosen, middle)
            is_upper = np.abs(there - answers[0]) < np.abs(there - answers[1])
            low, high = np.where(is_upper, middle, low), np.where(is_upper, high, middle)
        return [
            _as_json({**rows.iloc[row].to_dict(), name: value})
            for row, name in enumerate(chosen)
            for value in self._neighbours(name, low[row], high[row])
        ]

    def _at(self, rows: pd.DataFrame, chosen: list[str], values: np.ndarray) -> np.ndarray:
        changed = rows.copy()
        for name in {*chosen}:
            places = [row for row, own in enumerate(chosen) if own == name]
            column = changed[name].to_numpy(dtype=np.float64, copy=True)
            column[places] = values[places]
            changed[name] = column
        return self._numbers_of(self._clean(changed)) if len(rows) else values

    def _neighbours(self, name: str, low: float, high: float) -> list[float]:
        field: Any = next(field for field in self.case.table.fields if field.name == name)
        single = np.float32(low)
        numbers = [low, high, float(single), *(
            float(np.nextafter(single, np.float32(end))) for end in (-np.inf, np.inf)
        )]  # fmt: skip
        if field.integer:
            numbers = [np.floor(low), np.ceil(high)]
        return [float(x) for x in numbers if field.minimum <= x <= field.maximum]


def _as_json(record: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if pd.isna(value) else _plain(value) for name, value in record.items()
    }  # fmt: skip


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
