"""The types that a stored pipeline may be made of, and how it is read.

The list is fixed here: what an artefact says about itself is not believed.
skops itself trusts most of scikit-learn; this adds the compiled parts that it
leaves to its user's judgement.
"""

from importlib import import_module
from typing import Any

from persistence.store_errors import UntrustedArtifact

#: Types that skops does not trust by itself and that scikit-learn's own
#: estimators need, by the family that brings them.
TRUSTED_TYPES = frozenset(
    {
        "numpy.dtype",
        # trees, forests, boosting, voting
        "sklearn.tree._tree.Tree",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.utils._bunch.Bunch",
        # neighbours
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.metrics._dist_metrics.ManhattanDistance64",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        # neural networks, generalised linear models, calibration
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        # feature selection and splines
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "scipy.interpolate._bsplines.BSpline",
    }
)


def load_pipeline(content: bytes, *, model: str) -> Any:
    """Load a pipeline that skops wrote, whose digest the caller has checked.

    Types from ``models/<model>.py``, the project's own code, are trusted too.
    Raise UntrustedArtifact when it has any other type that is neither trusted
    by skops nor listed here, and when it is of another format or not an estimator.
    """
    from sklearn.base import BaseEstimator
    from skops.io import get_untrusted_types, loads

    try:
        types = set(get_untrusted_types(data=content))
    except Exception as error:
        raise UntrustedArtifact(f"the stored pipeline is not a skops file: {error!r}") from error
    foreign = sorted(
        name for name in types if name not in TRUSTED_TYPES and not _is_own(name, model)
    )
    if foreign:
        raise UntrustedArtifact(
            f"the stored pipeline contains types that are not trusted: {', '.join(foreign)}; "
            "if they are scikit-learn's own, add them to engine/runtime/trusted_types.py"
        )
    try:
        pipeline = loads(content, trusted=sorted(types))
    except Exception as error:
        raise UntrustedArtifact(f"the stored pipeline cannot be read: {error!r}") from error
    if not isinstance(pipeline, BaseEstimator):
        kind = type(pipeline).__name__
        raise UntrustedArtifact(f"the stored pipeline is not an estimator, but a {kind}")
    return pipeline


def _is_own(name: str, model: str) -> bool:
    """Return whether a type is defined in the model's file, not only imported there."""
    module = f"models.{model}"
    if not name.startswith(f"{module}."):
        return False
    word, *_ = name.removeprefix(f"{module}.").split(".")  # a method is its class's
    try:
        definition = getattr(import_module(module), word)
    except (ImportError, AttributeError):
        return False
    return getattr(definition, "__module__", None) == module
