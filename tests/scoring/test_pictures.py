"""What is drawn of a version equals what scikit-learn computes, and tells no row by itself."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from engine.scoring.pictures import MOST_CLASSES, MOST_POINTS, QUANTILES, picture_values
from tests.support.judged import ROWS, judged

NEAR = 0.5e-4 + 1e-9


def test_curves_are_points_of_scikit_learns_and_keep_the_area() -> None:
    answers = judged("two")
    truth, probability = answers.truth, answers.positive_probability()

    values = picture_values(answers)

    fpr, tpr, _ = metrics.roc_curve(truth, probability, drop_intermediate=False)
    precision, recall, _ = metrics.precision_recall_curve(truth, probability)
    roc, curve = values["roc"], values["precision_recall"]
    for (x, y), (all_x, all_y) in (
        ((roc["false_positive_rate"], roc["recall"]), (fpr, tpr)),
        ((curve["recall"], curve["precision"]), (recall, precision)),
    ):
        assert 20 < len(x) == len(y) <= MOST_POINTS
        far = np.maximum(np.abs(np.subtract.outer(x, all_x)), np.abs(np.subtract.outer(y, all_y)))
        assert far.min(axis=1).max() <= NEAR
        assert [0, 1] == [min(all_x), max(all_x)] == pytest.approx([x[0], x[-1]])
    area = np.trapezoid(roc["recall"], roc["false_positive_rate"])
    assert metrics.roc_auc_score(truth, probability) == pytest.approx(area, abs=0.003)


@pytest.mark.parametrize("kind", ["two", "three"])
def test_calibration_is_scikit_learns(kind: str) -> None:
    answers = judged(kind)
    if kind == "two":
        truth, probability = answers.truth, answers.positive_probability()
    else:
        assert answers.probabilities is not None
        truth, probability = answers.truth == answers.predicted, answers.probabilities.max(axis=1)

    groups = picture_values(answers)["calibration"]

    share, mean = calibration_curve(truth, probability, n_bins=10, strategy="quantile")
    assert share == pytest.approx([group["share"] for group in groups], abs=NEAR)
    assert mean == pytest.approx([group["probability"] for group in groups], abs=NEAR)
    assert ROWS == sum(group["rows"] for group in groups)


@pytest.mark.parametrize("kind", ["two", "three"])
def test_confusion_is_scikit_learns(kind: str) -> None:
    answers = judged(kind)

    counts = picture_values(answers)["confusion"]

    expected = metrics.confusion_matrix(answers.truth, answers.predicted, labels=answers.classes)
    assert expected.tolist() == counts


def test_bands_are_quantiles_of_the_rows_by_prediction_and_no_extreme() -> None:
    answers = judged("numbers")
    order = np.argsort(answers.predicted)[: ROWS // 10]

    bands = picture_values(answers)["bands"]

    assert [ROWS // 10] * 10 == [band["rows"] for band in bands]
    first = bands[0]
    assert np.mean(answers.predicted[order]) == pytest.approx(first["predicted"], abs=0.006)
    true = np.quantile(answers.truth[order], QUANTILES)
    error = np.quantile((answers.predicted - answers.truth)[order], QUANTILES)
    assert true == pytest.approx(first["true"], abs=0.006)
    assert error == pytest.approx(first["error"], abs=0.006)
    kept = [value for band in bands for value in band["true"]]
    assert min(kept) > answers.truth.min() + 0.01
    assert max(kept) < answers.truth.max() - 0.01


def test_pictures_are_left_out_where_they_say_nothing() -> None:
    two, three = judged("two"), judged("three")
    one_class = replace(two, truth=np.full(ROWS, True))
    many = replace(three, classes=[*"abc", *range(MOST_CLASSES)])

    assert {"confusion"} == set(picture_values(one_class))
    assert {"confusion"} == set(picture_values(replace(two, probabilities=None)))
    assert {"calibration"} == set(picture_values(many))
    assert {} == picture_values(judged("numbers", slice(39)))
    assert 2 == len(picture_values(judged("numbers", slice(40)))["bands"])


def test_pictures_are_small_and_alike_for_any_number_of_rows() -> None:
    for kind in ("two", "three", "numbers"):
        values = picture_values(judged(kind))

        assert values == json.loads(json.dumps(values))
        assert len(json.dumps(values)) < 3_500
