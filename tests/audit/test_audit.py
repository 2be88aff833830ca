"""The audit sees a wrong answer, and sees none in a few of its cases."""

import pytest

from tests.audit.oracle import Oracle
from tests.audit.pipelines import Case, cases
from tests.audit.run import audit
from tests.audit.tables import make_tables


def case(name: str, table: str) -> Case:
    """Return the case of a pipeline on a table."""
    (found,) = (each for each in cases() if (each.name, each.table.name) == (name, table))
    return found


def test_an_answer_is_wrong_beyond_its_tolerance() -> None:
    oracle = Oracle(case("Ridge scaled", "whole targets"))
    answer = oracle.expected("onnx")[0]["value"]

    for shift, is_wrong in ((0.5e-5, False), (2e-5, True)):
        value = {"value": answer + shift * oracle.spread}
        assert is_wrong is bool(oracle.wrong(value, {"value": answer}))


def test_a_label_and_a_probability_are_compared() -> None:
    oracle = Oracle(case("GaussianNB quantiles", "milliseconds"))
    (expected, *_) = oracle.expected("onnx")
    first, second = expected["probabilities"]

    assert not oracle.wrong(expected, expected)
    assert oracle.wrong({"value": not expected["value"]}, expected)
    assert oracle.wrong({**expected, "probabilities": [first - 2e-5, second]}, expected)


def test_the_records_stand_beside_the_thresholds_of_trees() -> None:
    oracle = Oracle(case("DecisionTreeRegressor bare", "1e-12 to 1e12"))
    thresholds = {*oracle.pipeline.tree_.threshold[oracle.pipeline.tree_.feature >= 0].tolist()}
    values = {value for record in oracle.records for value in record.values()}

    assert len(thresholds & values) >= 5


def test_every_table_and_estimator_has_a_case() -> None:
    listed = cases()

    assert len(listed) >= 120
    assert {*make_tables()} == {each.table.name for each in listed}


@pytest.mark.slow
@pytest.mark.parametrize("each", cases()[::50], ids=lambda each: f"{each.name}, {each.table.name}")
def test_nothing_is_wrong_in_a_few_cases(each: Case) -> None:
    result = audit(each)

    assert not result.refused, result
    assert not result.wrong, result
    assert result.answers > 1_000
    assert result.largest == 0 or result.runtime != "exact" or "Forest" not in result.name
