"""On which fields the columns depend that a fitted step makes, told by the step's structure.

No step is computed here. What is not known to keep numbers in their order is `Shape.ANY`, and
what mixes fields depends on all of them.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)  # fmt: skip
from sklearn.utils import check_array

from engine.preprocessing.date_parts import CYCLES, DAY, DateParts
from engine.runtime.exact_contents import SlotKind
from engine.training.exact.refusal import NotExact

#: Functions of one number that never fall where they are defined.
_RISING = (
    np.log, np.log1p, np.log2, np.log10, np.exp, np.expm1, np.exp2, np.sqrt, np.cbrt, np.arcsinh,
    np.sinh, np.tanh, np.arctan, np.floor, np.ceil, np.trunc, np.rint, np.sign, np.float32,
)  # fmt: skip


class Shape(IntEnum):
    """How a column goes with the number of its field; of two steps the greater remains."""

    SAME = 0  # the number itself
    SCALED = 1  # as the column's scaling says
    RISING = 2  # it never falls
    PRESENCE = 3  # one number for all that is not a gap
    ANY = 4


class Column(NamedTuple):
    """A column of numbers or words, of whatever the fields have."""

    fields: frozenset[int]
    shape: Shape = Shape.SAME
    scaling: tuple[SlotKind, float, float] | None = None  # with shift and scale
    step: str = ""  # which has made it what it is
    part: SlotKind | None = None  # of the date in its field, on which alone it depends
    since: int = -1  # the place of the field whose date is subtracted from that of its own

    def through(self, shape: Shape, step: Any) -> "Column":
        """Return the column that a step makes of this one alone."""
        if shape is Shape.SAME:
            return self
        shape = max(shape, self.shape)
        return self._replace(shape=shape, scaling=None, step=type(step).__name__)


def columns_after(step: Any, columns: Sequence[Column]) -> list[Column]:
    """Return what a fitted step makes of columns."""
    if step is None or isinstance(step, str):
        return [] if step == "drop" else list(columns)
    if isinstance(step, SelectorMixin):
        return [columns[place] for place in np.flatnonzero(step.get_support()).tolist()]
    rule = _RULES.get(type(step), _unknown)
    return rule(step, columns)


def _pipeline(step: Any, columns: Sequence[Column]) -> list[Column]:
    for _, inner in step.steps:
        columns = columns_after(inner, columns)
    return list(columns)


def _column_transformer(step: Any, columns: Sequence[Column]) -> list[Column]:
    after: list[tuple[int, list[Column]]] = []
    weights = step.transformer_weights or {}
    for name, inner, _ in step.transformers_:
        place = step.output_indices_[name]
        if (isinstance(inner, str) and inner == "drop") or place.start == place.stop:
            continue
        chosen = [columns[number] for number in step._transformer_to_input_indices[name]]
        made = columns_after(inner, chosen)
        if len(made) != place.stop - place.start:
            raise NotExact(
                f"what {type(inner).__name__} makes of its columns is not known",
                "use scikit-learn's own scalers and encoders",
            )
        after.append((place.start, _weighted(step, made, weights.get(name))))
    return [column for _, made in sorted(after, key=lambda part: part[0]) for column in made]


def _feature_union(step: Any, columns: Sequence[Column]) -> list[Column]:
    weights = step.transformer_weights or {}
    return [
        column
        for name, inner in step.transformer_list
        for column in _weighted(step, columns_after(inner, columns), weights.get(name))
    ]


def _weighted(step: Any, columns: Sequence[Column], weight: float | None) -> list[Column]:
    if weight is None:
        return list(columns)
    return [column.through(Shape.RISING if weight > 0 else Shape.ANY, step) for column in columns]


def _imputer(step: Any, columns: Sequence[Column]) -> list[Column]:
    is_gap = _is_nan(step.missing_values)
    shape = Shape.SAME if is_gap else Shape.ANY
    is_kept = [step.keep_empty_features or not _is_nan(value) for value in step.statistics_]
    after = [
        column.through(shape, step) for column, kept in zip(columns, is_kept, strict=True) if kept
    ]
    return after + (_indicator(step.indicator_, columns) if step.add_indicator else [])


def _indicator(step: Any, columns: Sequence[Column]) -> list[Column]:
    shape = Shape.PRESENCE if _is_nan(step.missing_values) else Shape.ANY
    return [columns[place].through(shape, step) for place in step.features_]


def _standard(step: Any, columns: Sequence[Column]) -> list[Column]:
    means, scales = getattr(step, "mean_", None), getattr(step, "scale_", None)
    return _scaled(
        step, columns, SlotKind.SUB_DIV, means if step.with_mean else None,
        scales if step.with_std else None,
    )  # fmt: skip


def _robust(step: Any, columns: Sequence[Column]) -> list[Column]:
    return _scaled(
        step, columns, SlotKind.SUB_DIV, step.center_ if step.with_centering else None,
        step.scale_ if step.with_scaling else None,
    )  # fmt: skip


def _min_max(step: Any, columns: Sequence[Column]) -> list[Column]:
    if step.clip:
        return _each(step, columns, Shape.RISING)
    return _scaled(step, columns, SlotKind.MUL_ADD, step.min_, step.scale_)


def _max_abs(step: Any, columns: Sequence[Column]) -> list[Column]:
    if getattr(step, "clip", False):
        return _each(step, columns, Shape.RISING)
    return _scaled(step, columns, SlotKind.SUB_DIV, None, step.scale_)


def _scaled(
    step: Any, columns: Sequence[Column], kind: SlotKind, shifts: Any, scales: Any
) -> list[Column]:
    after = []
    each = zip(
        columns,
        repeat(0.0, len(columns)) if shifts is None else shifts,
        repeat(1.0, len(columns)) if scales is None else scales,
        strict=True,
    )
    for column, shift, scale in each:
        made = column.through(Shape.SCALED if scale > 0 else Shape.ANY, step)
        if column.shape is Shape.SAME and scale > 0:
            made = made._replace(scaling=(kind, float(shift), float(scale)))
        elif column.step == "DateParts" and column.scaling and scale > 0:  # of an age
            _, start, day = column.scaling
            unscaled = shift * day if kind is SlotKind.SUB_DIV else -shift / scale * day
            size = scale * day if kind is SlotKind.SUB_DIV else day / scale
            made = made._replace(scaling=(SlotKind.SUB_DIV, start + unscaled, size))
        after.append(made)
    return after


def _one_hot(step: Any, columns: Sequence[Column]) -> list[Column]:
    return _repeated(step, columns, step._n_features_outs)


def _bins(step: Any, columns: Sequence[Column]) -> list[Column]:
    if step.encode == "ordinal":
        return _each(step, columns, Shape.RISING)
    return _repeated(step, columns, step._encoder._n_features_outs)


def _target_encoder(step: Any, columns: Sequence[Column]) -> list[Column]:
    count = len(step.classes_) if step.target_type_ == "multiclass" else 1
    return _repeated(step, columns, [count] * len(columns))


def _repeated(step: Any, columns: Sequence[Column], counts: Sequence[int]) -> list[Column]:
    return [
        column.through(Shape.ANY, step)
        for column, count in zip(columns, counts, strict=True)
        for _ in range(count)
    ]


def _date_parts(step: Any, columns: Sequence[Column]) -> list[Column]:
    after = []
    for place, column in enumerate(columns):
        if column.shape is not Shape.SAME:
            return _unknown(step, columns)
        for part in step.parts_of(place):
            if part != "age":
                kind = SlotKind[part.removesuffix("_cycle").upper()]
                shape = Shape.RISING if kind is SlotKind.YEAR else Shape.ANY
                made = column.through(shape, step)._replace(part=kind)
                after += [made] * (2 if part in CYCLES else 1)
                continue
            other = columns[step.since_place_] if step.since_place_ >= 0 else None
            if other is not None and other.shape is not Shape.SAME:
                return _unknown(step, columns)
            scaling = (SlotKind.SUB_DIV, step.since_seconds_, float(DAY))
            since = -1 if other is None else min(other.fields)
            made = column.through(Shape.SCALED, step)
            after.append(made._replace(scaling=scaling, since=since))
    return after


def _function(step: Any, columns: Sequence[Column]) -> list[Column]:
    func = step.func
    if func is None or getattr(func, "func", None) is check_array:
        return list(columns)
    if any(func is rising for rising in _RISING) and not step.kw_args:
        return _each(step, columns, Shape.RISING)
    return _unknown(step, columns)


def _each(step: Any, columns: Sequence[Column], shape: Shape) -> list[Column]:
    return [column.through(shape, step) for column in columns]


def _rising(step: Any, columns: Sequence[Column]) -> list[Column]:
    return _each(step, columns, Shape.RISING)


def _quantile(step: Any, columns: Sequence[Column]) -> list[Column]:
    if step.output_distribution == "normal":
        raise NotExact(
            "QuantileTransformer with a normal distribution does not keep close numbers in their "
            "order, in the last places",
            "leave it out where trees follow, or give it output_distribution='uniform'",
        )
    return _rising(step, columns)


def _any(step: Any, columns: Sequence[Column]) -> list[Column]:
    return _each(step, columns, Shape.ANY)


def _unknown(step: Any, columns: Sequence[Column]) -> list[Column]:
    """Return columns that depend on all that there were; their number is what the step says."""
    try:
        count = len(step.get_feature_names_out())
    except (AttributeError, ValueError) as error:
        name = type(step).__name__
        raise NotExact(
            f"{name} is not known to compute each column from one field alone",
            "use scikit-learn's own scalers and encoders",
        ) from error
    fields = frozenset[int]().union(*(column.fields for column in columns))
    return [Column(fields, Shape.ANY, None, type(step).__name__)] * count


def _is_nan(value: Any) -> bool:
    return bool(value is None or value != value)


_RULES: dict[type, Callable[[Any, Sequence[Column]], list[Column]]] = {
    Pipeline: _pipeline,
    ColumnTransformer: _column_transformer,
    FeatureUnion: _feature_union,
    SimpleImputer: _imputer,
    MissingIndicator: _indicator,
    StandardScaler: _standard,
    RobustScaler: _robust,
    MinMaxScaler: _min_max,
    MaxAbsScaler: _max_abs,
    OneHotEncoder: _one_hot,
    KBinsDiscretizer: _bins,
    TargetEncoder: _target_encoder,
    OrdinalEncoder: _any,
    Binarizer: _rising,
    PowerTransformer: _rising,
    QuantileTransformer: _quantile,
    FunctionTransformer: _function,
    DateParts: _date_parts,
}
