"""How the promoted version does on a new version's held-out rows."""

import pandas as pd

from persistence.version import StoredVersion
from training.scores import applicable, judge
from training.table import InvalidTable, read_table


class Incomparable(ValueError):
    """The promoted version cannot answer these rows, or not by this score."""


def score_version(version: StoredVersion, score: str, table: pd.DataFrame) -> float:
    """Score a stored version on raw rows, read by its own schema.

    Raises
    ------
    Incomparable
        When its schema refuses the rows, or it cannot be scored so.
    """
    try:
        X, y, _ = read_table(table, version.schema)
    except InvalidTable as error:
        raise Incomparable(f"its schema refuses them: {error.problems[0]}") from error
    predictions = version.predict({str(name): X[name].tolist() for name in X.columns})
    card = version.card
    judged = judge(y.to_numpy(), predictions, classes=card["classes"], positive=card["positive"])
    if score not in applicable(judged):
        raise Incomparable(f"it has no {score}")
    return applicable(judged)[score].compute(judged)
