"""Texts reach the pipeline, and identifiers the answer, whichever way a record comes."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from flask.testing import FlaskClient
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from engine.schema import Category, Flag, Identifier, ModelDefinition, Number, Text
from engine.schema.fields import Field
from engine.schema.problem_codes import Code
from engine.training.split import split_rows
from engine.training.train import train
from persistence.model_persistence import ModelStore
from tests.audit.ways import MODEL, WAYS, ask, can_carry
from tests.support.application import poster, serve
from tests.support.models import in_silence
from tests.support.table_bodies import ARROW, PARQUET, write_arrow, write_csv, write_parquet

WORDS = np.array(["good", "bad", "fine", "awful", "late", "early"])
RECORDS = [
    {"id": "A-1", "note": "good early", "age": 30.0},
    {"id": "é, \"2\"", "note": "awful 🙂, \"late\"\nbad", "age": 50.0},
    {"id": "007", "note": "x\0", "age": 30.0},
]  # fmt: skip


def load_data(path: Path) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    notes = [" ".join(draw.choice(WORDS, 4)) for _ in range(200)]
    age = draw.integers(20, 60, 200)
    is_bad = [note.count("bad") + note.count("awful") + (years > 45) > 1
              for note, years in zip(notes, age, strict=True)]  # fmt: skip
    return pd.DataFrame({"note": notes, "age": age, "refund": is_bad})


def build_text() -> Any:
    parts = ColumnTransformer(
        [("note", TfidfVectorizer(), "note"), ("age", "passthrough", ["age"])]
    )
    return make_pipeline(parts, LogisticRegression(max_iter=1000))


def define(*fields: Field, build: Callable[[], Any]) -> ModelDefinition:
    return ModelDefinition(
        title="Refunds", fields=fields, target=Flag(name="refund", example=True),
        sample=Path("Pipfile"), load_data=load_data, build_pipeline=build, score="roc_auc",
    )  # fmt: skip


IDENTIFIER = Identifier(name="id", example="A-1")
AGE = Number(name="age", example=30, minimum=0, maximum=120)
WITH_TEXT = define(IDENTIFIER, Text(name="note", example="good early"), AGE, build=build_text)
WITHOUT = define(AGE, IDENTIFIER, build=lambda: DecisionTreeClassifier(max_depth=3, random_state=0))


def client_of(definition: ModelDefinition, folder: Path) -> FlaskClient:
    store = ModelStore(folder)
    trained = train(MODEL, definition, definition.sample, step=in_silence)
    store.promote(MODEL, store.write(trained.card, trained.files))
    return serve(store, MODEL).test_client()


@pytest.fixture(scope="module")
def text_client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    return client_of(WITH_TEXT, tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def tree_client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    return client_of(WITHOUT, tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def expected() -> list[float]:
    """Answer the records with a pipeline of the test's own."""
    table = load_data(Path())
    X = table[["note", "age"]].astype({"age": float})
    learnt, *_ = split_rows(X, table["refund"], seed=0, is_classification=True)
    pipeline = build_text().fit(X.iloc[learnt], table["refund"].iloc[learnt])
    return list(pipeline.predict_proba(pd.DataFrame(RECORDS))[:, 1])


@pytest.mark.parametrize("way", WAYS)
def test_text_when_sent_in_every_way_is_answered_the_same(
    way: str, text_client: FlaskClient, expected: list[float]
) -> None:
    answers = ask(way, poster(text_client), RECORDS, [False, True])

    assert all(can_carry(way, record) for record in RECORDS)
    values = [str(answer["value"]).lower() == "true" for answer in answers]
    assert [share >= 0.5 for share in expected] == values
    if shares := [answer["probabilities"][1] for answer in answers if answer.get("probabilities")]:
        np.testing.assert_allclose(shares, expected, rtol=0, atol=1e-12)


def echoes(client: FlaskClient) -> Iterator[tuple[str, list[Any]]]:
    """Yield every way in with the identifiers that come back."""
    post, names = poster(client), [*RECORDS[0]]
    rows = [[record[name] for name in names] for record in RECORDS]
    kind, table = {"Content-Type": "application/json"}, f"/v0/models/{MODEL}/predict"
    data = json.dumps(RECORDS).encode()
    yield "list", [each["id"] for each in json.loads(post(table, data, kind))["predictions"]]
    singles = [json.loads(post(table, json.dumps(each).encode(), kind)) for each in RECORDS]
    yield "single", [answer["prediction"]["id"] for answer in singles]
    csv = post(table, write_csv(RECORDS), {"Content-Type": "text/csv", "Accept": "text/csv"})
    yield "CSV", [*pd.read_csv(io.BytesIO(csv), dtype=str)["id"]]
    arrow = post(table, write_arrow(pa.Table.from_pylist(RECORDS)),
                 {"Content-Type": ARROW, "Accept": ARROW})  # fmt: skip
    yield "Arrow", pa.ipc.open_stream(arrow).read_all()["id"].to_pylist()
    parquet = post(table, write_parquet(pa.Table.from_pylist(RECORDS)), {"Content-Type": PARQUET})
    yield "Parquet", [each["id"] for each in json.loads(parquet)["predictions"]]
    instances = json.dumps({"instances": rows}).encode()
    answer = json.loads(post(f"/v1/models/{MODEL}:predict", instances, kind))
    yield "V1", answer["identifiers"]["id"]
    split = json.dumps({"dataframe_split": {"columns": names, "data": rows}}).encode()
    yield "MLflow", json.loads(post("/invocations", split, kind))["identifiers"]["id"]
    yield "vetiver", json.loads(post("/predict", data, kind))["identifiers"]["id"]
    lines = post("/invocations", split, {**kind, "Accept": "text/csv"})
    yield "SageMaker", [*pd.read_csv(io.BytesIO(lines), dtype=str, header=None)[1]]
    tensors = [{"name": name, "shape": [3], "datatype": "FP64" if name == "age" else "BYTES",
                "data": [record[name] for record in RECORDS]} for name in names]  # fmt: skip
    answer = json.loads(post(f"/v2/models/{MODEL}/infer",
                             json.dumps({"inputs": tensors}).encode(), {}))  # fmt: skip
    yield "V2", {output["name"]: output["data"] for output in answer["outputs"]}["id"]


def test_identifier_when_sent_in_every_way_comes_back(text_client: FlaskClient) -> None:
    seen = dict(echoes(text_client))

    assert all([record["id"] for record in RECORDS] == back for back in seen.values()), seen
    assert 10 == len(seen)


@pytest.mark.parametrize(("value", "back"), [(2**60, 2**60), (7.0, 7), ("7", "7"), (-1, -1)])
def test_identifier_when_a_number_comes_back_whole(
    value: Any, back: Any, tree_client: FlaskClient
) -> None:
    one, many = {"age": 50, "id": value}, [{"age": 50, "id": value}, {"age": 20, "id": "b"}]

    single = tree_client.post("/v0/predict", json=one).get_json()["prediction"]
    several = tree_client.post("/v0/predict", json=many).get_json()["predictions"]

    assert (back, type(back)) == (single["id"], type(single["id"]))
    assert [back, "b"] == [answer["id"] for answer in several]
    assert single == several[0]


def test_identifier_when_the_model_is_exact_is_seen_by_no_pipeline(
    tree_client: FlaskClient,
) -> None:
    card = tree_client.get(f"/v2/models/{MODEL}").get_json()
    described = tree_client.get("/openapi.json").get_json()["components"]["schemas"]

    bodies = [{"age": 50, "id": name} for name in "abc"]
    singles = [tree_client.post("/v0/predict", json=body).get_json() for body in bodies]
    answers = {answer["prediction"].pop("id") and str(answer["prediction"]) for answer in singles}

    assert 1 == len(answers)
    assert "scikit-learn_exact" == card["platform"]
    assert {"anyOf": [{"type": "integer"}, {"type": "string", "minLength": 1, "maxLength": 200}],
            "description": "Of the record"} == (
        described[f"{MODEL}_prediction"]["properties"]["id"])  # fmt: skip


def test_identifier_when_decided_is_shown_to_observers(tree_client: FlaskClient) -> None:
    seen: list[Any] = []

    class Observer:
        def decided(self, batch: Any) -> None:
            seen.extend(batch)

    tree_client.application.extensions["resources"].predictor.observers.add(Observer())
    tree_client.post("/v0/predict", json={"age": 50, "id": "a"})
    tree_client.post("/v0/predict", json=[{"age": 50, "id": "b"}, {"age": 50, "id": 3}])

    assert {"id": "a"} == seen[0].decisions.identifiers
    assert {"id": ["b", 3]} == seen[1].decisions.identifiers


ANY_TEXT: Any = Text
TEXT = Text(name="note", example="good", minimum_length=2, maximum_length=5)


@pytest.mark.parametrize(("field", "value", "reason"), [
    (TEXT, "a", "is 'a', of 1 characters: send text of 2 to 5 characters"),
    (TEXT, "🙂" * 100_000, ", of 100,000 characters: send"),
    (TEXT, 5, "is 5: send text of 2 to 5 characters"),
    (TEXT, None, "is required: send text"),
    (TEXT, "ab\ud800", "which has half a surrogate pair"),
    (IDENTIFIER, "", "of 0 characters"),
    (IDENTIFIER, "a\nb", "which has a character that is none of text"),
    (IDENTIFIER, "\0", "which has a character that is none of text"),
    (IDENTIFIER, "a" * 201, "of 201 characters"),
    (IDENTIFIER, 2**63, ", beyond 64 bits: send a whole number, or text"),
    (IDENTIFIER, 10**500, "beyond 64 bits"),
    (IDENTIFIER, 1.5, "is 1.5: send a whole number, or text of 1 to 200 characters"),
    (IDENTIFIER, 1e300, "send a whole number"),
    (IDENTIFIER, True, "is true: send"),
])  # fmt: skip
def test_value_when_not_valid_is_refused(field: Field, value: Any, reason: str) -> None:
    clean, finding = field.read(value)

    assert None is clean and finding is not None and finding.is_refused
    assert reason in finding.detail


@pytest.mark.parametrize("field", [
    Text(name="note", example="good", missing="accept"),
    Identifier(name="id", example=5, missing="accept"),
])  # fmt: skip
def test_cell_when_a_word_for_a_gap_is_one(field: Field) -> None:
    cells = ["NA", "", float("nan"), None, "NAN", 5, 5.0]

    read = [field.read(field.from_cell(cell)) for cell in cells]

    number: Any = "5" if isinstance(field, Text) else 5
    assert [*[field.absent] * 4, "NAN", number] == [clean for clean, _ in read[:6]]
    assert not any(finding for _, finding in read)
    assert field == Field.from_json(json.loads(json.dumps(field.to_json())))


@pytest.mark.parametrize(("field", "problem"), [
    (Text(name="a", example="b", minimum_length=5, maximum_length=2), "the lengths are 5 to 2"),
    (Text(name="a", example="b", maximum_length=2**21), "the lengths are 1 to 2097152"),
    (ANY_TEXT(name="a", example="b", maximum_length="9"), "maximum_length is '9': give a"),
    (Text(name="a", example=""), "the example is '': give text of 1 to 1,000 characters"),
    *(
        (Identifier(name=name, example="b"), "the answers have a column of this name")
        for name in ("value", "interval", "interval_high", "explanation", "set", "unfamiliar")
    ),
    (Identifier(name="a", example="b", maximum_length=0), "maximum_length is 0"),
])  # fmt: skip
def test_field_when_it_contradicts_itself_is_refused(field: Field, problem: str) -> None:
    (line,) = field.contradictions()

    assert problem in line


def test_definition_when_a_kind_is_no_target_or_no_input_is_refused() -> None:
    for target in (TEXT, IDENTIFIER):
        assert "the target cannot be" in target.target_contradictions()[-1]
    with pytest.raises(ValueError, match="all fields are identifiers"):
        define(IDENTIFIER, build=build_text)


def test_values_when_many_are_wrong_have_their_codes(text_client: FlaskClient) -> None:
    answer = text_client.post("/v0/predict", json={"id": "a\tb", "note": "", "age": 1})

    errors = {error["pointer"]: error["code"] for error in answer.get_json()["errors"]}
    assert {"/id": Code.WRONG_TYPE, "/note": Code.OUT_OF_RANGE} == errors
    assert isinstance(Category(name="c", example="a", categories={1: "a", 2: "b"}), Field)


def test_identifier_when_the_columns_of_a_file_are_kept_is_there_once(
    tree_client: FlaskClient, tmp_path: Path
) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id,age\nA-1,50\nb,20\n")
    runner = tree_client.application.test_cli_runner()

    kept = runner.invoke(args=["predict", str(path), "--columns", "keep"]).stdout.splitlines()
    alone = runner.invoke(args=["predict", str(path)]).stdout.splitlines()

    assert ["id", "age", "value"] == kept[0].split(",")[:3] and kept[0].count("id,") == 1
    assert ["A-1", "b"] == [line.split(",")[0] for line in kept[1:]]
    assert ["A-1", "b"] == [line.split(",")[-2] for line in alone[1:]]
