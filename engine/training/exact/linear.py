"""Linear models: sums of columns, each times its coefficients, and a link."""

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDRegressor
from sklearn.linear_model._base import LinearClassifierMixin, LinearModel
from sklearn.linear_model._glm.glm import _GeneralizedLinearRegressor
from sklearn.linear_model._stochastic_gradient import BaseSGDClassifier

from engine.runtime.exact_contents import Link, SlotKind
from engine.training.exact.exact_file import ExactFile, Slot, Sums
from engine.training.exact.preparation import Preparation
from engine.training.exact.refusal import NotExact
from engine.training.exact.steps import Column, Shape


def is_linear(estimator: Any) -> bool:
    """Return whether an estimator predicts as scikit-learn's linear models do."""
    kind = type(estimator)
    if not kind.__module__.startswith(("sklearn.linear_model.", "sklearn.svm.")):
        return False
    decides = getattr(kind, "decision_function", None)
    return (
        isinstance(estimator, (LinearModel, SGDRegressor, _GeneralizedLinearRegressor))
        or decides is LinearClassifierMixin.decision_function
    )


def add_linear(file: ExactFile, preparation: Preparation, model: Any, weight: float) -> None:
    """Add a linear model."""
    coefficients = model.coef_
    if hasattr(coefficients, "toarray"):
        coefficients = coefficients.toarray()
    coefficients = np.atleast_2d(np.asarray(coefficients, np.float64))
    width = len(coefficients)
    if width > 1 and not hasattr(model, "classes_"):
        raise NotExact(f"{type(model).__name__} has several targets", "fit it on one")
    bases = np.broadcast_to(np.asarray(model.intercept_, np.float64).ravel(), width)
    used = np.flatnonzero((coefficients != 0).any(axis=0))
    slots = [file.slot(_slot(preparation, int(column))) for column in used]
    sums = Sums(bases.copy(), link=_link(model, width), weight=weight)
    file.add_linear(sums, slots, coefficients[:, used].T)


def _link(model: Any, width: int) -> Link:
    if isinstance(model, _GeneralizedLinearRegressor):
        link = type(model._base_loss.link).__name__
        return Link.EXP if link == "LogLink" else Link.NONE
    if not hasattr(model, "predict_proba"):
        return Link.NONE
    if width == 1 and _is_logistic(model):
        return Link.SIGMOID
    if isinstance(model, (LogisticRegression, LogisticRegressionCV)):
        return Link.SOFTMAX
    if _is_logistic(model):
        return Link.ONE_VS_REST
    loss = getattr(model, "loss", "")
    raise NotExact(
        f"the probabilities of {type(model).__name__}(loss={loss!r}) are not evaluated",
        "use loss='log_loss'",
    )


def _is_logistic(model: Any) -> bool:
    if isinstance(model, BaseSGDClassifier):
        return bool(model.loss == "log_loss")
    return isinstance(model, (LogisticRegression, LogisticRegressionCV))


def _slot(preparation: Preparation, place: int) -> Slot:
    """Return the slot that is a column's number."""
    column = preparation.columns[place]
    owner = preparation.field_of(place)
    if owner < 0:
        return Slot(0, SlotKind.TABLE, float(preparation.rows({})[0][place]))
    if preparation.fields[owner].words:
        *codes, gap = map(float, preparation.codes(place))
        return preparation.slot(place, gap, codes)
    gap = float(preparation.gaps[place]) if preparation.takes_gaps(place) else np.inf
    if column.shape is Shape.SAME:
        return Slot(owner, SlotKind.NUMBER, gap)
    if column.shape is Shape.PRESENCE:
        there = float(preparation.rows({})[0][place])
        return Slot(owner, SlotKind.PRESENCE, gap, shift=there)
    if column.scaling is not None:
        kind, shift, scale = column.scaling
        if column.since >= 0:
            return preparation.number(place, _before(gap, column), shift, scale)
        return Slot(owner, kind, _before(gap, column), shift=shift, scale=scale)
    try:
        *codes, gap = map(float, preparation.codes(place))
    except NotExact:
        raise NotExact(
            f"{column.step} makes of {preparation.names(place)} no multiple of it, which a linear "
            "model would add up",
            "use one StandardScaler, RobustScaler or MinMaxScaler",
        ) from None
    return preparation.slot(place, gap, codes)


def _before(gap: float, column: Column) -> float:
    """Return the number of a field whose scaled number is the one that stands for a gap."""
    if column.scaling is None or not np.isfinite(gap):
        return gap
    kind, shift, scale = column.scaling
    middle = gap * scale + shift if kind is SlotKind.SUB_DIV else (gap - shift) / scale
    near = middle + np.spacing(middle) * np.arange(-16, 17)
    scaled = (near - shift) / scale if kind is SlotKind.SUB_DIV else near * scale + shift
    return float(near[np.argmin(np.abs(scaled - gap))])
