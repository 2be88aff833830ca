"""The types that a stored pipeline may be made of, and how it is read.

The list is fixed here: what an artefact says about itself is not believed.
skops itself trusts most of scikit-learn; this adds the compiled parts that it
leaves to its user's judgement.
"""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from persistence.store_errors import UntrustedArtifact

#: Classes of scikit-learn that only hold numbers and settings. Not on the list, though of the
#: same family: PyFuncDistance, which holds a function.
_DISTANCES = (
    "BrayCurtis", "Canberra", "Chebyshev", "Dice", "Euclidean", "Hamming", "Haversine", "Jaccard",
    "Mahalanobis", "Manhattan", "Minkowski", "RogersTanimoto", "RussellRao", "SEuclidean",
    "SokalMichener", "SokalSneath",
)  # fmt: skip
_KERNELS = (
    "CompoundKernel", "ConstantKernel", "DotProduct", "ExpSineSquared", "Exponentiation", "Matern",
    "PairwiseKernel", "Product", "RBF", "RationalQuadratic", "Sum", "WhiteKernel",
)  # fmt: skip

#: Functions that compute numbers from numbers, whatever their arguments. Others are not listed:
#: a file that names a function decides what is called.
_FUNCTIONS = (
    "numpy.clip", "numpy.max", "numpy.mean", "numpy.median", "numpy.min", "numpy.nan_to_num",
    "numpy.round", "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
)  # fmt: skip

_TASKS = ("Classifier", "Regressor")

#: Types that skops does not trust by itself and that scikit-learn's own
#: estimators need, by the family that brings them.
TRUSTED_TYPES = frozenset(
    {
        "numpy.dtype",
        "engine.preprocessing.date_parts.DateParts",
        *_FUNCTIONS,
        # sparse matrices, which are read as arrays of numbers
        *(
            f"scipy.sparse._{kind}.{kind}_{of}"
            for kind in ("csc", "csr")
            for of in ("array", "matrix")
        ),
        # trees, forests, boosting, voting
        "sklearn.tree._tree.Tree",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.utils._bunch.Bunch",
        # neighbours
        *(
            f"sklearn.metrics._dist_metrics.{name}Distance{n}"
            for name in _DISTANCES
            for n in (32, 64)
        ),
        *(f"sklearn.neighbors._ball_tree.BallTree{n}" for n in ("", 32, 64)),
        *(f"sklearn.neighbors._kd_tree.KDTree{n}" for n in ("", 32, 64)),
        # Gaussian processes
        *(f"sklearn.gaussian_process.kernels.{name}" for name in _KERNELS),
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        # neural networks, generalised linear models, calibration, one class against others
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn._loss.loss.HalfTweedieLoss",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.calibration._TemperatureScaling",
        "sklearn.multiclass._ConstantPredictor",
        # imputers, splines, clusters; the first is not listed by skops because it is experimental
        "sklearn.impute._iterative.IterativeImputer",
        "sklearn.impute._iterative._ImputerTriplet",
        "scipy.interpolate._bsplines.BSpline",
        "sklearn.cluster._bisect_k_means._BisectingTree",
        # XGBoost and LightGBM, whose own code reads what is stored of a booster
        "xgboost.core.Booster",
        *(f"xgboost.sklearn.XGB{of}{task}" for of in ("", "RF") for task in _TASKS),
        "lightgbm.basic.Booster",
        *(f"lightgbm.sklearn.LGBM{task}" for task in _TASKS),
        "collections.OrderedDict",  # of the scores while it was fitted
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
    if foreign := untrusted(types, model=model):
        raise UntrustedArtifact(
            f"the stored pipeline contains types that are not trusted: {', '.join(foreign)}; "
            "it is not loaded"
        )
    try:
        pipeline = loads(content, trusted=sorted(types))
    except Exception as error:
        raise UntrustedArtifact(f"the stored pipeline cannot be read: {error!r}") from error
    if not isinstance(pipeline, BaseEstimator):
        kind = type(pipeline).__name__
        raise UntrustedArtifact(f"the stored pipeline is not an estimator, but a {kind}")
    return pipeline


def untrusted(types: Iterable[str], *, model: str) -> list[str]:
    """List the types that are neither listed here nor defined in the model's file, sorted."""
    return sorted(name for name in types if name not in TRUSTED_TYPES and not _is_own(name, model))


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
