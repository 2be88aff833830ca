"""What is told of a fitted model by a sample: against what it was fitted on."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import IsolationForest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from engine.runtime.native import NativeRuntime
from engine.schema import Category
from engine.schema.definition import ModelDefinition
from engine.training.fitted.formats import NotBrought
from engine.training.fitted.schema import define
from engine.training.table import read_table

ROWS = 60
DRAWS = np.random.default_rng(0)
NUMBERS = pd.DataFrame({"age": DRAWS.integers(18, 80, ROWS), "Net income": DRAWS.normal(size=ROWS)})
WORDS = NUMBERS.assign(home=DRAWS.choice(["rent", "own"], ROWS), job=["a", "b", np.nan] * 20)
LABELS = np.where(NUMBERS["age"] + DRAWS.normal(0, 20, ROWS) > 45, "good", "bad")


def sample(folder: Path, table: pd.DataFrame, target: Any, **more: Any) -> Path:
    file = folder / "sample.csv"
    table.assign(y=target, **more).to_csv(file, index=False)
    return file


def worded(*encoders: Any, labels: Any = LABELS) -> Any:
    """A pipeline over words, with gaps in a column of them, that ends with a tree."""
    homes, jobs = encoders
    prepare = ColumnTransformer(
        [("homes", homes, ["home"]), ("jobs", jobs, ["job"]), ("rest", "passthrough", ["age"])]
    )
    return make_pipeline(prepare, DecisionTreeClassifier(random_state=0)).fit(WORDS, labels)


def one_hot() -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="ignore")


def kinds(definition: ModelDefinition) -> list[tuple[str, str, str]]:
    return [(field.kind, field.name, field.column) for field in definition.fields]


def test_columns_when_a_model_knows_their_names_are_in_its_order(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(NUMBERS, LABELS)
    table = NUMBERS[["Net income", "age"]].assign(note="x")

    definition, rows, remarks = define("m", model, sample(tmp_path, table, LABELS), "y")

    assert [("number", "age", "age"), ("number", "Net income", "Net income")] == kinds(definition)
    assert (("bad", "good"), "roc_auc") == (definition.target.classes, definition.score)
    assert (ROWS, []) == (len(rows), remarks)


def test_columns_when_a_model_knows_no_names_are_those_of_the_sample(tmp_path: Path) -> None:
    model = Ridge().fit(NUMBERS.to_numpy(), NUMBERS["age"] // 7)

    definition, _, _ = define("m", model, sample(tmp_path, NUMBERS, NUMBERS["age"] // 7), "y")

    assert [("number", "age", "age"), ("number", "net_income", "Net income")] == kinds(definition)
    assert (None, "rmse") == (definition.target.classes, definition.score)
    with pytest.raises(NotBrought, match=r"takes 2 columns without names, and .* has 3"):
        define("m", model, sample(tmp_path, NUMBERS, 1, note=5), "y")


@pytest.mark.parametrize(
    ("encoders", "policies"),
    [
        (
            (one_hot(), make_pipeline(SimpleImputer(strategy="most_frequent"), one_hot())),
            [("accept", "refuse"), ("accept", "accept")],
        ),
        (
            (OneHotEncoder(), one_hot()),
            [("refuse", "refuse"), ("accept", "accept")],
        ),
        (
            (
                OneHotEncoder(),
                make_pipeline(
                    SimpleImputer(strategy="constant", fill_value="a", add_indicator=True),
                    OrdinalEncoder(),
                ),
            ),
            [("refuse", "refuse"), ("refuse", "accept")],
        ),
        (
            (OrdinalEncoder(), OrdinalEncoder(encoded_missing_value=-1)),
            [("refuse", "refuse"), ("refuse", "accept")],
        ),
    ],
)
def test_words_when_a_model_knows_them_are_its_own_and_gaps_are_answered_as_by_it(
    tmp_path: Path, encoders: Any, policies: list[tuple[str, str]]
) -> None:
    labels = np.where(WORDS["job"].isna(), LABELS, "filled")
    model = worded(*encoders, labels=labels)
    expected = model.predict_proba(WORDS)
    seen = WORDS.assign(y=labels)[WORDS["home"] == "own"]
    seen.to_csv(tmp_path / "sample.csv", index=False)

    definition, table, _ = define("m", model, tmp_path / "sample.csv", "y")

    home, job = (each for each in definition.fields if isinstance(each, Category))
    assert ("own", "rent") == home.classes  # though the sample has only one of them
    assert ("a", "b") == job.classes
    assert policies == [(field.unknown, field.missing) for field in (home, job)]
    X, _, _ = read_table(table, definition.schema, is_to_learn_from=False)
    answers = NativeRuntime(model, definition.fields).run(X.to_dict("list"))
    assert np.array_equal(expected[seen.index], answers.probabilities)


def test_model_when_it_tells_whole_numbers_from_doubles_is_refused(tmp_path: Path) -> None:
    whole = FunctionTransformer(lambda X: X.select_dtypes("int64").reindex(columns=["age"]))
    model = make_pipeline(whole, SimpleImputer(), DecisionTreeClassifier()).fit(NUMBERS, LABELS)
    model[1].keep_empty_features = True

    with pytest.raises(NotBrought, match=r"rows of .* are answered otherwise where numbers are"):
        define("m", model, sample(tmp_path, NUMBERS, LABELS), "y")


def test_column_when_a_vectorizer_reads_it_is_text(tmp_path: Path) -> None:
    texts = pd.DataFrame({"said": [f"{home} of {i}" for i, home in enumerate(WORDS["home"])]})
    prepare = ColumnTransformer([("said", TfidfVectorizer(), "said")])
    model = make_pipeline(prepare, LogisticRegression()).fit(texts, LABELS)

    definition, _, _ = define("m", model, sample(tmp_path, texts, LABELS), "y")

    assert [("text", "said", "said")] == kinds(definition)


def test_gaps_when_no_record_can_spell_them_are_refused_and_left_out(tmp_path: Path) -> None:
    model = worded(one_hot(), FunctionTransformer(pd.isna), labels=WORDS["job"].isna())
    truth = WORDS["job"].isna()

    definition, table, remarks = define("m", model, sample(tmp_path, WORDS, truth), "y")

    assert "refuse" == next(each for each in definition.fields if each.name == "job").missing
    assert (40, 1) == (len(table), len(remarks))
    assert remarks[0].startswith("20 rows without job are left out, and such records are refused")


@pytest.mark.parametrize(
    ("labels", "truth", "classes"),
    [
        (LABELS, LABELS, ("bad", "good")),
        (LABELS == "good", LABELS == "good", (False, True)),
        ((LABELS == "good") * 1, (LABELS == "good") * 1, (0, 1)),
        ((LABELS == "good") * 1.0, (LABELS == "good") * 1, (0, 1)),
        ((LABELS == "good") * 1, np.where(LABELS == "good", "yes", "no"), (False, True)),
        (np.arange(ROWS) % 3 + 1, np.arange(ROWS) % 3 + 1, (1, 2, 3)),
        (np.arange(ROWS) % 3, np.zeros(ROWS, int), (0, 1, 2)),
    ],
)
def test_classes_when_a_model_has_them_are_the_targets_whatever_the_sample_holds(
    tmp_path: Path, labels: Any, truth: Any, classes: tuple[Any, ...]
) -> None:
    model = LogisticRegression().fit(NUMBERS, labels)

    definition, _, _ = define("m", model, sample(tmp_path, NUMBERS, truth), "y")

    assert classes == definition.target.classes
    assert [type(label) for label in classes] == [type(x) for x in definition.target.classes or ()]


def test_score_when_a_model_has_no_probabilities_is_the_accuracy(tmp_path: Path) -> None:
    model = LinearSVC().fit(NUMBERS, LABELS)

    definition, _, _ = define("m", model, sample(tmp_path, NUMBERS, LABELS), "y")

    assert "accuracy" == definition.score


SEVERAL = np.stack([NUMBERS["age"], NUMBERS["age"]], axis=1)


@pytest.mark.parametrize(
    ("model", "table", "truth", "says"),
    [
        (LogisticRegression().fit(NUMBERS, LABELS), NUMBERS, "ugly",
         "'y' of .* has 'ugly', and the classes of the model are 'bad', 'good'"),
        (LogisticRegression().fit(NUMBERS, np.arange(ROWS) % 3), NUMBERS, LABELS,
         "has 'bad', 'good', and the classes of the model are '0', '1', '2': spell"),
        (LinearRegression().fit(NUMBERS, np.arange(ROWS)), NUMBERS, LABELS,
         "predicts numbers, and 'y' of .* has '(good|bad)': give its true numbers"),
        (IsolationForest(n_estimators=2).fit(NUMBERS), NUMBERS, LABELS,
         "IsolationForest predicts neither classes nor a number"),
        (LinearRegression().fit(NUMBERS, SEVERAL), NUMBERS, 1, "answers several targets"),
        (DecisionTreeClassifier().fit(NUMBERS, SEVERAL), NUMBERS, 1, "answers several targets"),
        (LogisticRegression().fit(NUMBERS, LABELS), NUMBERS[["age"]], LABELS,
         "has no column 'Net income', which the model takes: add it"),
        (LogisticRegression().fit(NUMBERS, LABELS), NUMBERS.assign(age="old"), LABELS,
         "does not take the rows of .*could not convert string to float"),
        (LogisticRegression().fit(NUMBERS, LABELS), NUMBERS.assign(age=[None, 3] * 30), LABELS,
         "does not take the rows of .*contains NaN; give rows as those"),
        (LogisticRegression().fit(NUMBERS, LABELS), NUMBERS, None, "has no true value in 'y'"),
    ],
)  # fmt: skip
def test_sample_when_it_is_not_what_the_model_takes_is_refused_with_what_is(
    tmp_path: Path, model: Any, table: pd.DataFrame, truth: Any, says: str
) -> None:
    with pytest.raises(NotBrought, match=says):
        define("m", model, sample(tmp_path, table, truth), "y")


def test_sample_when_it_has_no_true_values_is_refused_with_its_columns(tmp_path: Path) -> None:
    model = LogisticRegression().fit(NUMBERS, LABELS)
    file = sample(tmp_path, NUMBERS, LABELS)

    with pytest.raises(
        NotBrought, match=r"there is no column 'Y2'.*checked by rows with their true values"
    ):
        define("m", model, file, "Y2")
    with pytest.raises(NotBrought, match="add --target 'y'"):
        define("m", model, file, "")
    with pytest.raises(NotBrought, match="there is no file"):
        define("m", model, tmp_path / "lost.csv", "y")


def test_boosters_when_fitted_on_a_matrix_take_the_fields_names(tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    booster = xgboost.XGBClassifier(n_estimators=2)
    booster.fit(NUMBERS.to_numpy(), LABELS == "good")
    model = CalibratedClassifierCV(booster, cv=3).fit(NUMBERS.to_numpy(), LABELS == "good")

    for each in (booster, model):
        expected = each.predict_proba(NUMBERS.to_numpy())
        file = sample(tmp_path, NUMBERS, LABELS == "good")
        definition, _, _ = define("m", each, file, "y")
        columns = dict(zip(("age", "net_income"), NUMBERS.to_numpy().T, strict=True))
        answers = NativeRuntime(each, definition.fields).run(columns)
        assert np.array_equal(expected, answers.probabilities)
