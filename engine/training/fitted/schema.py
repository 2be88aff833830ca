"""The definition of a fitted model, by a sample of the rows that it takes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype
from sklearn.base import is_classifier, is_regressor

from engine.schema.definition import InvalidDefinition, ModelDefinition
from engine.schema.fields import MISSING, UNKNOWN, Category, Field, Flag, Number, Text
from engine.schema.kinds.spelling import spelling
from engine.schema.messages import quoted
from engine.training.fitted.columns import adapt, find_columns
from engine.training.fitted.formats import NotBrought
from engine.training.infer.cells import cells_of
from engine.training.infer.columns import flag_of, number
from engine.training.infer.headers import free_name
from engine.training.infer.numbers import PLAIN, find_form, find_style
from engine.training.infer.reading import read_source
from engine.training.infer.source import UnreadableTable
from engine.training.infer.target import target_column

#: So many rows of a sample are looked at; a column of more words than this is a text.
_ROWS, _MOST_WORDS = 20_000, 1000

_SEVERAL = "the model answers several targets, and one is served: fit a model for each"


def define(
    name: str, pipeline: Any, data: Path, target: str
) -> tuple[ModelDefinition, pd.DataFrame, list[str]]:
    """Describe a fitted model; return the rows to judge it on, and why others are left out.

    The pipeline is changed to take gaps as the service gives them. Raise `NotBrought` where the
    sample is not what the model takes, or has no true values.
    """
    table, header = _read(data, target)
    columns, is_named = find_columns(pipeline, [each for each in table if each != header], data)
    goal = _target(pipeline, table[header], data)
    names = [*columns] if is_named else []
    for place, column in enumerate([] if is_named else columns, start=1):
        names.append(free_name(column, place, [*names, goal.name]))
    rows = table[columns]
    raw = _answers(pipeline, rows if is_named else rows.to_numpy(), data)
    if not goal.classes and raw.shape[1] != 1:
        raise NotBrought(_SEVERAL)
    known = adapt(pipeline, names)
    clean = pd.DataFrame(
        {each: _clean(rows[column]) for each, column in zip(names, columns, strict=True)}
    )
    is_same = (_answers(pipeline, clean, data) == raw).all(axis=1)
    is_kept, fields, remarks = np.ones(len(table), bool), [], []
    for each, column in zip(names, columns, strict=True):
        field, is_gap = _field(each, rows[column], known.get(each)), rows[column].isna().to_numpy()
        if isinstance(field, Category) and known.get(each):
            policy: Any = "accept" if _takes_unknown(pipeline, clean, each) else "refuse"
            field = replace(field, unknown=policy)
        if isinstance(field, Category) and (is_gap & ~is_same).any():
            field, is_kept = replace(field, missing="refuse"), is_kept & ~is_gap
            remarks.append(f"{is_gap.sum()} rows without {each} are left out, and such records are "
                           "refused: no record can spell what the model takes there")  # fmt: skip
        fields.append(field)
    if not is_same[is_kept].all():
        raise NotBrought(
            f"{(~is_same[is_kept]).sum()} of {len(table)} rows of {data} are answered otherwise "
            "where numbers are doubles and words text, as served: fit the model on such columns"
        )
    table = table[is_kept]
    score = _score(goal, table[header], has_probabilities=hasattr(pipeline, "predict_proba"))
    return _definition(name, tuple(fields), goal, data, score), table, remarks


def _read(data: Path, target: str) -> tuple[pd.DataFrame, str]:
    """Read a sample as pandas does; return it with the column of the true values."""
    try:
        source = read_source(str(data))
        header = target_column(target, [*source.frame])
    except UnreadableTable as error:
        raise NotBrought(f"{error}: a model is checked by rows with their true values") from error
    arguments = {key: each for key, each in source.arguments.items() if key != "skipinitialspace"}
    if source.is_text:
        words = [source.frame[each].drop_duplicates() for each in source.frame]
        style = find_style(words, delimiter=source.arguments.get("sep", ","))
        arguments |= dict(style._asdict().items() - PLAIN._asdict().items())
    table = getattr(pd, source.function)(data, **arguments).dropna(subset=[header])
    if not len(table):
        raise NotBrought(f"{data} has no true value in {quoted(header)}: give rows with one")
    return table.sample(min(_ROWS, len(table)), random_state=0).sort_index(), header


def _answers(pipeline: Any, rows: Any, data: Path) -> np.ndarray:
    """Return a row of answers for each row of the sample."""
    predict = pipeline.predict_proba if hasattr(pipeline, "predict_proba") else pipeline.predict
    try:
        answers = np.asarray(predict(rows))
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0].rstrip(".:")
        raise NotBrought(
            f"the model does not take the rows of {data}, {type(error).__name__}: {reason}; give "
            "rows as those that it was fitted on"
        ) from error
    return answers.reshape(len(rows), -1)


def _clean(column: pd.Series) -> pd.Series:
    """Return a column as the service gives it to a pipeline."""
    if is_numeric_dtype(column):  # truth values are, too
        return column.astype(np.float64)
    return column.astype(object).map(str, na_action="ignore").fillna(MISSING)


def _field(name: str, column: pd.Series, known: list[str] | None) -> Field:
    header = str(column.name)
    missing: Any = "accept" if column.isna().any() else "refuse"
    if is_bool_dtype(column):
        return Flag(name=name, column=header, example=bool(column.mode()[0]), missing=missing)
    if is_numeric_dtype(column):
        arguments: dict[str, Any] = {"example": 0.0}
        if column.notna().any():
            cells = cells_of(header, column.dropna().map(str))
            arguments = number(cells, find_form(cells.counts.index.to_series(), PLAIN)).arguments
        # The model may have seen numbers that the sample has not.
        return Number(name=name, column=header, missing=missing, out_of_range="accept", **arguments)
    words = column.dropna().map(str)
    if known == []:
        return Text(name=name, column=header, example=words.iloc[0],
                    maximum_length=max(1000, 2 * int(words.str.len().max())))  # fmt: skip
    categories = known or sorted(words.unique())
    if len(categories) > _MOST_WORDS:
        raise NotBrought(
            f"{quoted(header)} has {len(categories):,} different words, more than the "
            f"{_MOST_WORDS:,} of a category: describe it in a model file, and train that"
        )
    frequent = words[words.isin(categories)].mode()
    example = frequent[0] if len(frequent) else categories[0]
    return Category(name=name, column=header, categories=tuple(categories), example=example,
                    missing=missing)  # fmt: skip


def _takes_unknown(pipeline: Any, clean: pd.DataFrame, name: str) -> bool:
    """Return whether all words that a model does not know are the same to it."""
    rows = clean.head(20)
    try:
        odd = _answers(pipeline, rows.assign(**{name: "__neither__"}), Path())
        return np.array_equal(odd, _answers(pipeline, rows.assign(**{name: UNKNOWN}), Path()))
    except NotBrought:
        return False


def _target(pipeline: Any, truth: pd.Series, data: Path) -> Field:
    """Return the target: the classes that a model has, or a number."""
    header = str(truth.name)
    name = free_name(header, 1, [])
    if hasattr(pipeline, "classes_") and not is_regressor(pipeline):
        return _classes(pipeline.classes_, name, truth, data)
    if not is_regressor(pipeline) or is_classifier(pipeline):
        raise NotBrought(
            f"{type(pipeline).__name__} predicts neither classes nor a number: give a classifier "
            "or a regressor"
        )
    if not is_numeric_dtype(truth):
        raise NotBrought(
            f"the model predicts numbers, and {quoted(header)} of {data} has "
            f"{quoted(str(truth.iloc[0])[:40])}: give its true numbers"
        )
    return Number(name=name, column=header, example=float(truth.median()))


def _classes(labels: Any, name: str, truth: pd.Series, data: Path) -> Field:
    if not isinstance(labels, np.ndarray) or labels.ndim != 1:
        raise NotBrought(_SEVERAL)
    classes = [int(each) if isinstance(each, float) else each for each in labels.tolist()]
    header = str(truth.name)
    absent = {*map(spelling, truth.unique())} - {*map(spelling, classes)}
    flag = flag_of(cells_of(header, truth.map(str)))
    if set(classes) == {0, 1} and (isinstance(classes[0], bool) or (absent and flag)):
        return Flag(name=name, column=header, **(flag.arguments if flag else {"example": True}))
    if absent:
        listed = ", ".join(map(quoted, sorted(map(str, absent))[:5]))
        own = ", ".join(map(quoted, map(str, classes[:10])))
        raise NotBrought(
            f"{quoted(header)} of {data} has {listed}, and the classes of the model are {own}: "
            "spell the true values as the model does"
        )
    return Category(name=name, column=header, categories=tuple(classes), example=classes[-1])


def _score(target: Field, truth: pd.Series, *, has_probabilities: bool) -> str:
    if not target.classes:
        return "rmse"
    is_binary = len(target.classes) == truth.nunique() == 2
    return "roc_auc" if is_binary and has_probabilities else "accuracy"


def _definition(
    name: str, fields: tuple[Field, ...], target: Field, data: Path, score: str
) -> ModelDefinition:
    def unneeded(*_: Any) -> Any:
        raise NotImplementedError(f"{name} was imported")

    try:
        return ModelDefinition(
            title=name.replace("_", " ").capitalize(), fields=fields, target=target, sample=data,
            description=f"Predicts {target.name}, by a model that was fitted elsewhere.",
            load_data=unneeded, build_pipeline=unneeded, score=score,
        )  # fmt: skip
    except InvalidDefinition as error:
        raise NotBrought(f"{data} does not describe what the model takes: {error}") from error
