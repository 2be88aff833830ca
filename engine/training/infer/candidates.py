"""Which estimator a model file starts with: a few, compared by cross-validation."""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import skew
from sklearn.metrics import get_scorer

from engine.languages import gettext as _
from engine.languages import local_number, mark
from engine.schema.definition import InvalidDefinition, ModelDefinition
from engine.training.evaluation.progress import progress
from engine.training.failures import TrainingFailed
from engine.training.infer.draft import ModelDraft
from engine.training.split import Fold, folds
from engine.training.table import InvalidTable
from engine.training.train import read_rows, split_table

#: The families of candidates, the cheapest to serve first.
FAMILIES = ("linear", "boosting", "lightgbm", "xgboost", "forest")

#: At most so many training rows, and so many cells of them, are compared on.
_ROWS, _CELLS = 20_000, 1_000_000
#: A table with more cells has three folds instead of five.
_FEW_CELLS = 200_000
#: Forests of more rows are slow to fit and large.
_FOREST_ROWS = 20_000
#: Trees of fewer rows have smaller leaves.
_FEW_ROWS = 2_000
#: Trees of more rows may be larger, and stop when they learn no more.
_MANY_ROWS = 5_000
#: A target so skewed, without negative numbers, may be easier to tell on a logarithmic scale.
_SKEWED = 2.0
#: A candidate this close to the best is as good; errors count as shares.
_AS_GOOD, _AS_GOOD_SHARE = 0.005, 0.01

#: By which score candidates are compared, and scikit-learn's name of it. Several classes are by
#: their probabilities: few rows differ in accuracy.
_SCORERS = {
    "roc_auc": ("roc_auc", "roc_auc"), "accuracy": ("log_loss", "neg_log_loss"),
    "rmse": ("rmse", "neg_root_mean_squared_error"),
}  # fmt: skip


class Candidate(NamedTuple):
    """An estimator as a model file writes it: what it is, its module, class and arguments."""

    family: str
    title: str
    module: str
    estimator: str
    arguments: str = ""
    is_log: bool = False
    is_numbered: bool = False  # its classes have to be numbered for it

    @property
    def is_linear(self) -> bool:
        """Return whether numbers must be filled and scaled for it."""
        return self.family == "linear"

    def described(self) -> str:
        """Return what it is, for people."""
        title = _(self.title)
        return _("{title} of the logarithm").format(title=title) if self.is_log else title


class Result(NamedTuple):
    """What came of a candidate: its score, the standard error and the seconds, or why it has none.

    Errors are means of logarithms, so that one fold with outliers does not decide alone.
    """

    candidate: Candidate
    score: float
    deviation: float
    text: str


def candidates(draft: ModelDraft, *, family: str = "", seed: int = 0) -> list[Candidate]:
    """Return the candidates for a table, the cheapest to serve first."""
    is_number = draft.target.kind == "Number"
    ending = "Regressor" if is_number else "Classifier"
    state = f"random_state={seed}"
    boosting = partial(Candidate, "boosting", module="sklearn.ensemble",
                       estimator=f"HistGradientBoosting{ending}")  # fmt: skip
    few = "min_samples_leaf=2, " if draft.rows < _FEW_ROWS else ""
    small = f"learning_rate=0.05, max_iter=200, max_leaf_nodes=8, {few}{state}"
    large = f"max_iter=200, early_stopping=True, {state}" if draft.rows > _MANY_ROWS else state
    leaves = "min_samples_leaf=3, max_features=0.5" if is_number else "min_samples_leaf=2"
    forest = f"n_estimators=200, {leaves}, {state}"
    linear = ("Ridge", "") if is_number else ("LogisticRegression", "max_iter=1000")
    boosted = [
        boosting(title=mark("boosted small trees"), arguments=small),
        boosting(title=mark("boosted trees"), arguments=large),
    ]
    listed = [
        Candidate("linear", mark("a linear model"), "sklearn.linear_model", *linear),
        *(reversed(boosted) if draft.rows > _MANY_ROWS else boosted),
        *_boosters(draft, ending, state),
        Candidate("forest", mark("a forest"), "sklearn.ensemble", f"RandomForest{ending}", forest),
    ]
    if _is_count(draft):
        poisson = f'loss="poisson", {small.replace(few, "")}'
        listed.insert(2, boosting(title=mark("boosted trees of counts"), arguments=poisson))
    if _is_skewed(draft):
        listed += [
            each._replace(is_log=True)
            for each in listed
            if each.title in ("boosted small trees", "a forest")
        ]
    listed.sort(key=lambda each: FAMILIES.index(each.family))
    return [each for each in listed if family in ("", each.family)]


def _boosters(draft: ModelDraft, ending: str, state: str) -> Iterator[Candidate]:
    """Yield the candidates of packages that may be installed."""
    arguments = f"n_estimators=200, learning_rate=0.05, n_jobs=1, {state}"
    if find_spec("lightgbm"):
        own = f"{arguments}, num_leaves=15, verbose=-1"
        yield Candidate("lightgbm", "LightGBM", "lightgbm", f"LGBM{ending}", own)
    if find_spec("xgboost"):
        own = f"{arguments}, max_depth=4"
        is_numbered = draft.target.kind == "Category"
        yield Candidate(
            "xgboost", "XGBoost", "xgboost", f"XGB{ending}", own, is_numbered=is_numbered
        )


def _is_count(draft: ModelDraft) -> bool:
    given = draft.target.arguments
    return draft.target.kind == "Number" and "integer" in given and given["minimum"] == 0


def _is_skewed(draft: ModelDraft) -> bool:
    values = draft.target.values
    if draft.target.kind != "Number" or values is None or np.nanmin(values) < 0:
        return False
    return bool(skew(values[~np.isnan(values)]) > _SKEWED)


def choose(
    data: Path, listed: Sequence[Candidate], text_of: Callable[[Candidate], str], *,
    name: str, seconds: float, say: Callable[[str], None],
) -> tuple[Candidate, list[str]]:  # fmt: skip
    """Return the cheapest to serve of those that are as good as the best, and how all did.

    Parameters
    ----------
    text_of : callable
        What a candidate's model file says: its table, split and pipeline are those compared.
    seconds : float
        A candidate that would take more than half of what is left of them is left out, but for
        linear ones and the first others.
    """
    try:
        definitions = [(each, _definition(text_of(each))) for each in listed]
        definition = definitions[0][1]
        X, y, parts, learnt = _parts(name, definition, data)
    except (InvalidDefinition, InvalidTable, TrainingFailed):  # the training says what is wrong
        parts = []
    if len(listed) == 1 or not parts:
        return listed[0], []
    score = _SCORERS[definition.score][0]
    text = _("compared by {score} on {rows} training rows, {parts} folds:")
    rows = local_number(str(len(X)))
    lines = [text.format(score=score, rows=rows, parts=len(parts))]
    say(lines[0])
    end, results = time.monotonic() + seconds, list[Result]()
    for each, its in progress(definitions, "candidates"):
        start = time.monotonic()
        if each.family == "forest" and learnt > _FOREST_ROWS and len(listed) > 2:
            text = _("left out above {rows} rows").format(rows=local_number(str(_FOREST_ROWS)))
            result = Result(each, np.nan, 0.0, text)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                has_trees = any(np.isfinite(r.score) and not r.candidate.is_linear for r in results)
                result = _judge(each, its, X, y, parts, end if has_trees else np.inf)
        results.append(result)
        lines.append(f"  {each.described():<35}  {result.text}")
        taken = local_number(f"{time.monotonic() - start:.1f}")
        say(lines[-1] + f", {taken} s" * bool(np.isfinite(result.score)))
    chosen = _cheapest(results, definition.score)
    say(_("chosen: {title}").format(title=chosen.described()))
    return chosen, lines


def _parts(
    name: str, definition: ModelDefinition, data: Path
) -> tuple[pd.DataFrame, pd.Series, list[Fold], int]:
    """Return some of the training rows, folds of them, and how many there are in all."""
    table, X, y, *_rest = read_rows(name, definition, data, _silent)
    split, keys, _ = split_table(definition, table, X, y, _silent)
    rows, most = split.train, min(_ROWS, _CELLS // X.shape[1])
    if len(rows) > most:
        draw = np.random.default_rng(definition.seed)
        rows = np.sort(draw.choice(rows, most, replace=False))
    X, y = X.iloc[rows], y.iloc[rows]
    labels = y if definition.schema.task == "classification" else y * 0
    count = 3 if X.size > _FEW_CELLS else 5
    parts = [
        fold for fold in folds(keys[rows], labels, count=count, way=definition.split)
        if all(labels.iloc[side].nunique() == labels.nunique() for side in fold)
    ]  # fmt: skip
    return X, y, parts, len(split.train)


def _definition(text: str) -> ModelDefinition:
    names: dict[str, Any] = {}
    exec(compile(text, "model file", "exec"), names)  # noqa: S102 - it was just written
    definition = names["definition"]
    assert isinstance(definition, ModelDefinition)
    return definition


def _judge(
    candidate: Candidate, definition: ModelDefinition, X: pd.DataFrame, y: pd.Series,
    parts: Sequence[Fold], end: float,
) -> Result:  # fmt: skip
    """Fit and judge a candidate on every fold, unless the first shows that it takes too long."""
    is_error = definition.score == "rmse"
    scorer = get_scorer(_SCORERS[definition.score][1])

    def judge(fold: Fold) -> float:
        fit, judged = fold
        pipeline = definition.build_pipeline().fit(X.iloc[fit], y.iloc[fit])
        value = float(scorer(pipeline, X.iloc[judged], y.iloc[judged]))
        return float(np.log(max(-value, 1e-300))) if is_error else value

    began, threads = time.monotonic(), os.cpu_count() or 1
    with suppress(Exception):  # some folds do not do for some estimators
        values = [judge(parts[0])]
        rest = (time.monotonic() - began) * np.ceil((len(parts) - 1) / threads)
        if 2 * rest > end - time.monotonic():
            text = _("left out: it would take too long")
            return Result(candidate, np.nan, 0.0, text)
        values += Parallel(threads, prefer="threads")(delayed(judge)(part) for part in parts[1:])
        values = [value for value in values if np.isfinite(value)]
        mean, deviation = np.mean(values), np.std(values, ddof=1) / len(values) ** 0.5
        shown = np.exp(mean) if is_error else abs(mean)
        width = shown * deviation if is_error else deviation
        text = local_number(f"{shown:.4g} ± {width:.2g}", grouped=False)
        return Result(candidate, float(-mean if is_error else mean), float(deviation), text)
    text = _("left out: it cannot be fitted on a part of the rows")
    return Result(candidate, np.nan, 0.0, text)


def _cheapest(results: Sequence[Result], score: str) -> Candidate:
    """Return the first that is within a standard error of the best, and close to it."""
    judged = [result for result in results if np.isfinite(result.score)]
    if not judged:
        return results[0].candidate
    best = max(judged, key=lambda result: result.score)
    margin = min(best.deviation, _AS_GOOD_SHARE if score == "rmse" else _AS_GOOD)
    return next(each.candidate for each in judged if each.score >= best.score - margin)


def _silent(text: str) -> None:
    """Say nothing: the training reads the same table, and says what it is like."""
