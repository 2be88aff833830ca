"""The packed graph answers as the converted one, whatever a record holds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from engine.runtime.onnx import OnnxRuntime, open_session
from engine.schema.fields import MISSING, UNKNOWN, Category, Field, Number
from engine.schema.record_schema import Coding
from engine.training.export import category_tables
from engine.training.export.challenge import Challenge, joined
from engine.training.export.export import translate
from engine.training.export.inputs import input_name
from engine.training.export.record_input import packed
from engine.training.export.single_trees import with_double_trees
from engine.training.table import read_table
from tests.support.estimators import CASES, EVERY_DAY, FIELDS, Case, make_table, ordinal
from tests.support.trials import define

TOWN = Category(name="town", categories=("a", "b", "c d"), example="a")
JOB = Category(name="job", categories=("x", "y"), example="x", missing="accept", unknown="accept")
AGE = Number(name="age", example=1.0)
RARE = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2)

Columns = dict[str, list[Any]]


def run(model: onnx.ModelProto, fields: Sequence[Field], columns: Columns) -> list[Any]:
    """Answer clean columns with a graph of either kind."""
    if [one.name for one in model.graph.input] == ["record"]:
        feeds = {"record": Coding(fields).pack(columns)}
    else:
        feeds = {
            input_name(place): np.array(
                columns[one.name], dtype=object if one.kind == "category" else np.float64
            ).reshape(-1, 1)
            for place, one in enumerate(fields)
        }
    return list(open_session(model.SerializeToString()).run(None, feeds))


def assert_same(
    model: onnx.ModelProto, fields: Sequence[Field], columns: Columns
) -> onnx.ModelProto:
    """Pack a graph, compare all answers bit for bit, give the packed one."""
    new = packed(model, fields)

    onnx.checker.check_model(new)
    assert ["record"] == [one.name for one in new.graph.input]
    assert model.graph.output == new.graph.output
    assert model.opset_import == new.opset_import
    for expected, found in zip(run(model, fields, columns), run(new, fields, columns), strict=True):
        assert (expected.dtype, expected.shape) == (found.dtype, found.shape)
        if expected.dtype == object:
            assert expected.tolist() == found.tolist()
        else:
            assert expected.tobytes() == found.tobytes()
    return new


def every_word() -> Columns:
    """Give a record for each pair of words that the two categories accept."""
    towns, jobs = TOWN.categories, (*JOB.categories, MISSING, UNKNOWN)
    pairs = [(town, job) for town in towns for job in jobs]
    return {
        "town": [town for town, _ in pairs],
        "age": [float(row % 5) for row in range(len(pairs))],
        "job": [job for _, job in pairs],
    }


def fit(preparation: Any, fields: Sequence[Field], rows: Columns, model: Any = None) -> Pipeline:
    X = pd.DataFrame({one.name: rows[one.name] for one in fields})
    model = Ridge() if model is None else model
    return make_pipeline(preparation, model).fit(X, [row % 2 for row in range(len(X))])


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case, id=case.name, marks=() if case.name in EVERY_DAY else pytest.mark.slow
        )
        for case in CASES
    ],
)  # fmt: skip
def test_packing_when_an_estimator_exports_changes_no_bit(case: Case) -> None:
    definition = define(case, case.targets[-1])
    X, y, _ = read_table(make_table(), definition.schema)
    pipeline = definition.build_pipeline().fit(X, y)
    challenge = Challenge(X.to_dict("list"), FIELDS, seed=0)
    rows = joined(challenge.real, challenge.turning_points()[0])
    try:
        model = with_double_trees(translate(pipeline, FIELDS))
        open_session(model.SerializeToString())
    except Exception:  # noqa: BLE001 - these are served natively
        return

    new = assert_same(model, FIELDS, rows)

    assert new.SerializeToString() == packed(model, FIELDS).SerializeToString()
    assert TensorProto.STRING not in {
        one.data_type for one in new.graph.initializer if one.name.startswith("table")
    }


ENCODERS = {
    "one column per word": OneHotEncoder(handle_unknown="ignore"),
    "sparse": OneHotEncoder(handle_unknown="ignore", sparse_output=True),
    "one word dropped": OneHotEncoder(drop="first", handle_unknown="ignore"),
    "numbered": ordinal(),
    "numbered and scaled": make_pipeline(ordinal(), StandardScaler()),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
def test_packing_when_two_categories_are_encoded_looks_every_word_up(encoder: Any) -> None:
    rows, fields = every_word(), (TOWN, AGE, JOB)
    preparation = ColumnTransformer([("words", encoder, ["town", "job"])], remainder="passthrough")
    pipeline = fit(preparation, fields, rows)

    new = assert_same(translate(pipeline, fields), fields, rows)

    assert not {"OneHotEncoder", "LabelEncoder", "StringNormalizer"} & set(kinds(new))
    assert TensorProto.STRING not in {one.data_type for one in new.graph.initializer}


def test_packing_when_an_encoder_is_strict_looks_up_the_words_that_a_field_accepts() -> None:
    fields = (TOWN, AGE)
    rows: Columns = {"town": ["a", "b", "c d"] * 4, "age": [float(row) for row in range(12)]}
    preparation = ColumnTransformer([("words", OneHotEncoder(), ["town"])], remainder="passthrough")
    model = translate(fit(preparation, fields, rows), fields)

    new = assert_same(model, fields, rows)

    assert "OneHotEncoder" in kinds(model)
    assert "OneHotEncoder" not in kinds(new)


def test_packing_when_an_encoder_refuses_an_accepted_word_leaves_the_refusal() -> None:
    fields = (JOB, AGE)
    known: Columns = {"job": ["x", "y"] * 6, "age": [float(row) for row in range(12)]}
    preparation = ColumnTransformer([("words", OneHotEncoder(), ["job"])], remainder="passthrough")
    model = translate(fit(preparation, fields, known), fields)

    new = assert_same(model, fields, known)

    assert "OneHotEncoder" in kinds(new)
    with pytest.raises(Exception, match="Unknown Category"):
        run(new, fields, {"job": [UNKNOWN], "age": [1.0]})


def test_packing_when_a_table_would_be_large_gives_the_graph_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, fields = every_word(), (TOWN, AGE, JOB)
    preparation = ColumnTransformer(
        [("words", OneHotEncoder(handle_unknown="ignore"), ["town", "job"])],
        remainder="passthrough",
    )
    model = translate(fit(preparation, fields, rows), fields)
    monkeypatch.setattr(category_tables, "MOST_NUMBERS", 9)

    new = assert_same(model, fields, rows)

    assert 1 == kinds(new).count("OneHotEncoder"), "of job alone, whose table has 16 numbers"
    assert 1 == kinds(new).count("Equal")


@pytest.mark.parametrize("encoder", [ordinal(), OneHotEncoder(handle_unknown="ignore")])
def test_packing_when_a_category_has_10_000_words_stays_small(encoder: Any) -> None:
    words = tuple(f"word number {place}" for place in range(10_000))
    fields = (Category(name="town", categories=words, example=words[0], unknown="accept"), AGE)
    rows: Columns = {"town": [*words, UNKNOWN], "age": [1.0] * 10_001}
    preparation = ColumnTransformer([("words", encoder, ["town"])], remainder="passthrough")
    pipeline = fit(preparation, fields, rows, RandomForestClassifier(2, max_depth=3))
    model = translate(pipeline, fields)
    some = {name: values[::997] for name, values in rows.items()}

    new = assert_same(model, fields, some)

    assert len(new.SerializeToString()) < 400_000


def test_packing_when_all_are_numbers_takes_the_record_as_it_is() -> None:
    fields = (AGE, Number(name="size", example=1, missing="accept"))
    rows: Columns = {"age": [1.0, 2.0, 3.0, 4.0], "size": [4.0, 3.0, 1.0, 2.0]}

    new = assert_same(translate(fit(StandardScaler(), fields, rows), fields), fields, rows)

    assert ["Sub", "Div"] == kinds(new)[:2]


def test_packing_when_numbers_are_large_keeps_them_in_double_precision() -> None:
    fields = (AGE, Number(name="at", example=1))
    rows: Columns = {"age": [1.0, 2.0, 3.0, 4.0], "at": [1e12 + n for n in range(4)]}
    pipeline = fit(StandardScaler(), fields, rows)

    (found,) = run(translate(pipeline, fields), fields, rows)

    assert pipeline.predict(pd.DataFrame(rows)) == pytest.approx(found.ravel(), rel=1e-12)


def test_packing_when_only_a_category_decides_needs_no_model() -> None:
    rows = {"job": ["x", "y", MISSING, UNKNOWN] * 5}
    pipeline = fit(ordinal(), (JOB,), rows, RandomForestClassifier(5, random_state=0))

    new = assert_same(translate(pipeline, (JOB,)), (JOB,), rows)

    assert {"Identity", "Gather", "Cast", "Add", "Reshape"} >= set(kinds(new))


def by_hand(*nodes: onnx.NodeProto, kind: int, shape: list[Any]) -> onnx.ModelProto:
    """Make a graph of two categories, numbered as ``t`` and ``j``, that gives ``out``."""
    numbered = [
        helper.make_node(
            "LabelEncoder", [input_name(place)], [output], domain="ai.onnx.ml",
            keys_strings=["a", "b", "x", "y"], values_floats=[1.0, 2.0, 3.0, 4.0],
        )
        for place, output in enumerate("tj")
    ]  # fmt: skip
    inputs = [
        helper.make_tensor_value_info(input_name(place), TensorProto.STRING, [None, 1])
        for place in range(2)
    ]
    graph = helper.make_graph(
        [*numbered, *nodes], "model", inputs, [helper.make_tensor_value_info("out", kind, shape)]
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 2)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def test_packing_when_two_words_meet_in_one_number_keeps_the_operation() -> None:
    product = helper.make_node("Mul", ["t", "j"], ["out"])
    model = by_hand(product, kind=TensorProto.FLOAT, shape=[None, 1])

    new = assert_same(model, (TOWN, JOB), every_word())

    assert "Mul" in kinds(new)
    assert "LabelEncoder" not in kinds(new)


@pytest.mark.parametrize("kind", ["Softmax", "ReduceMax", "Shape"])
def test_packing_when_rows_look_at_each_other_keeps_the_operation(kind: str) -> None:
    axes: dict[str, Any] = {"Softmax": {"axis": 0}, "ReduceMax": {"axes": [0]}}
    model = by_hand(
        helper.make_node(kind, ["t"], ["out"], **axes.get(kind, {})),
        kind=TensorProto.INT64 if kind == "Shape" else TensorProto.FLOAT,
        shape=[2] if kind == "Shape" else [None, 1],
    )
    if kind == "ReduceMax":
        model.opset_import[0].version = 17

    new = assert_same(model, (TOWN, JOB), every_word())

    assert kind in kinds(new)


def test_runtime_when_given_columns_or_a_matrix_answers_the_same() -> None:
    rows, fields = every_word(), (TOWN, AGE, JOB)
    preparation = ColumnTransformer(
        [("words", OrdinalEncoder(), ["town", "job"])], remainder="passthrough"
    )
    model = translate(fit(preparation, fields, rows), fields)
    matrix = Coding(fields).pack(rows)
    new_model = packed(model, fields)
    names = {input_name(place): field.name for place, field in enumerate(fields)}
    for tensor in model.graph.input:  # old graphs have inputs of the fields' names
        tensor.name = names[tensor.name]
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    contents = [one.SerializeToString() for one in (model, new_model)]

    old, new = (OnnxRuntime(one, fields, has_probabilities=False) for one in contents)

    expected = new.run(rows).values
    for answers in (new.run_matrix(matrix), old.run(rows), old.run_matrix(matrix)):
        assert expected.tobytes() == answers.values.tobytes()
