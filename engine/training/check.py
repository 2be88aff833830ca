"""Quick checks of a model file, each answered in a sentence.

They find in seconds what a training would meet later: a column that is not
there, a pipeline that refuses what the fields accept, an answer that depends
on the other rows. Nothing is stored.
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from engine.cards.facts import set_aside_text
from engine.runtime.native import NativeRuntime
from engine.runtime.runtimes import Columns
from engine.runtime.tolerance import TOLERANCE, share_of_allowed, spread_of
from engine.schema.definition import ModelDefinition
from engine.training.export.golden import golden_records
from engine.training.failures import TrainingFailed, explained
from engine.training.fitting import few_rows, fit
from engine.training.table import InvalidTable, read_table, read_training_rows

#: The pipeline is fitted on so many rows at most, and answers so many one by one.
FITTED_ROWS, SINGLE_ROWS = 1000, 50


class CheckFailed(Exception):
    """The model file breaks a rule; the message says what, and what to do."""


class CheckResult(NamedTuple):
    """Whether a rule is kept, and what was checked, or what is wrong and what to do."""

    is_passed: bool
    text: str


def check_model(name: str, definition: ModelDefinition) -> Iterator[CheckResult]:
    """Check a model on its sample; stop at the first rule that it breaks."""
    trial = _Trial(name, definition)
    for check, activity in (
        (trial.check_table, "reading the table"),
        (trial.check_columns, "comparing the table with the fields"),
        (trial.check_fit, "fitting the pipeline"),
        (trial.check_single_rows, "predicting"),
        (trial.check_order, "predicting from columns in another order"),
        (trial.check_records, "predicting from the example and from made-up records"),
    ):
        try:
            with explained(activity, name, passing=(CheckFailed, InvalidTable)):
                result = check()
        except (CheckFailed, InvalidTable, TrainingFailed) as error:
            yield CheckResult(False, str(error))
            return
        yield CheckResult(True, result)


class _Trial:
    """A model that is being checked: its table, and the pipeline fitted on a part of it."""

    def __init__(self, name: str, definition: ModelDefinition) -> None:
        self.name = name
        self.definition = definition
        self.schema = definition.schema

    def check_table(self) -> str:
        """Check that there is a table."""
        path = self.definition.sample
        if not path.is_file():
            raise CheckFailed(f"there is no table {path}: put it there, or correct `sample`")
        self.table = self.definition.load_data(path).reset_index(drop=True)
        return f"{path.name} has {len(self.table):,} rows and {len(self.table.columns)} columns"

    def check_columns(self) -> str:
        """Check that every field has its column, and that every value fits its field."""
        self.table, self.X, self.y, _, aside = read_training_rows(self.table, self.definition)
        fields = (*self.schema.inputs, self.schema.target)
        used = {field.column for field in (*self.schema.fields, self.schema.target)}
        unused = sorted(set(map(str, self.table.columns)) - used)
        others = f"; no field uses {', '.join(unused)}" if unused else ""
        fits = "every value fits"
        if aside and aside["rows"]:
            fits = f"{set_aside_text(aside, len(self.X))}, and every other value fits"
        return f"all {len(fields)} fields have their columns, and {fits}{others}"

    def check_fit(self) -> str:
        """Check that the pipeline learns from a part of the table."""
        rows = few_rows(self.y, FITTED_ROWS, self.definition)
        began = time.monotonic()
        pipeline = fit(self.name, self.definition, self.X.iloc[rows], self.y.iloc[rows]).pipeline
        self.runtime = NativeRuntime(pipeline, self.schema.inputs)
        return f"the pipeline fits {len(rows):,} rows in {time.monotonic() - began:.1f} s"

    def check_single_rows(self) -> str:
        """Check that a row gets the same answer alone and among others."""
        X = self.X.head(SINGLE_ROWS)
        self.batch = self._answer(X.to_dict("list"))
        rows = [self._answer(X.iloc[[row]].to_dict("list")) for row in range(len(X))]
        difference = self._compare(np.concatenate(rows))
        if not difference <= TOLERANCE:
            raise CheckFailed(
                f"a row gets answers alone and among others that differ by {difference:.2g}, "
                f"more than {TOLERANCE:g}: no step may compute from the rows that are predicted, "
                "only from those it was fitted on"
            )
        return f"{len(X)} rows get the same answers one by one as together"

    def check_order(self) -> str:
        """Check that the order of the table's columns does not matter."""
        rows = self.table.head(SINGLE_ROWS)
        mixed, _, _ = read_table(rows[rows.columns[::-1]], self.schema, is_to_learn_from=False)
        difference = self._compare(self._answer(mixed.to_dict("list")))
        if not difference <= TOLERANCE:
            raise CheckFailed(f"columns in another order change an answer by {difference:.2g}")
        return "the order of the columns does not matter"

    def check_records(self) -> str:
        """Check that the worked example and odd records that the fields accept are answered."""
        records = golden_records(self.schema.fields, seed=self.definition.seed)
        try:
            answers = self._answer(self.schema.columns([self.schema.example(), *records]))
        except ValueError as error:
            raise CheckFailed(
                f"the pipeline refuses a record that the fields accept: {error}. Let it take gaps "
                "and unknown words (an imputer, handle_unknown), or let the fields refuse them"
            ) from error
        if not np.isfinite(answers).all():
            raise CheckFailed("the answer to a record that the fields accept is not a number")
        return f"the example and {len(records)} made-up records are answered"

    def _answer(self, columns: Columns) -> np.ndarray:
        """Return a row of numbers for each record: the probabilities, or the value."""
        outputs = self.runtime.answer(columns)
        if outputs.probabilities is not None:
            return np.asarray(outputs.probabilities, dtype=np.float64)
        values = np.asarray(outputs.values)
        if self.schema.task == "classification":
            values = np.unique(self.y.to_numpy()).searchsorted(values)
        return values.astype(np.float64).reshape(len(values), 1)

    def _compare(self, answers: np.ndarray) -> float:
        """Return the largest difference from the answers to the rows together."""
        if self.schema.task == "regression":
            spread = spread_of(self.batch)
            shares = share_of_allowed(answers.ravel(), self.batch.ravel(), spread)
            return float(TOLERANCE * shares.max())
        return float(np.max(np.abs(answers - self.batch)))
