"""The written file is Python as the project writes it, and says what the table holds."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from build_model import main
from engine.schema import ModelDefinition
from engine.training.infer.candidates import candidates
from engine.training.infer.draft import draft_model
from engine.training.infer.layout import call, quote
from engine.training.infer.model_file import model_text
from engine.training.infer.write import ModelFileDiffers, write_model_file
from engine.training.table import read_table
from tests.support.project import ROOT


def make_table(rows: int = 240, columns: int = 20) -> pd.DataFrame:
    random = np.random.default_rng(0)
    odd = {
        "💰 price (EUR)": random.normal(100, 9, rows).round(2),
        "class": random.choice(["Россия", "Perú \u2013 sur", "a\\b", 'say "x"'], rows),
        "__proto__": random.integers(0, 9, rows),
        "Age": random.integers(18, 70, rows),
        "age": random.integers(18, 70, rows),
        "padded": random.choice([" a", "b ", "?"], rows),
        "id": [f"c{place * 7}" for place in range(rows)],
        "a" * 120: random.normal(size=rows),
        "code": random.choice(["01", "02"], rows),
        "Since": pd.date_range("2020-01-01", periods=rows, freq="5D").strftime("%d/%m/%Y"),
        "seen at": pd.date_range("2024-01-01", periods=rows, freq="7h"),
        "spaced 'x'": [f"{each:,.1f}" for each in random.normal(5000, 900, rows)],
    }
    words = [f"a rather long word {place}" for place in range(12)]
    plain = {f"c{place}": random.choice(words, rows) for place in range(columns - len(odd) - 1)}
    return pd.DataFrame({**odd, **plain, "def": random.choice(["yes", "no", ""], rows)})


def write(folder: Path, table: pd.DataFrame, target: str, ending: str = "csv") -> str:
    path = folder / f"table.{ending}"
    if ending == "csv":
        table.to_csv(path, index=False)
    else:
        table.to_json(path, orient="records", lines=True, date_format="iso")
    draft = draft_model(str(path), target, name="trial", sample="data/table.csv")
    place = 0 if len(table) < 200 else 1
    return model_text(draft, candidates(draft)[place], compared=["compared by rmse:"])


def definition_of(text: str) -> ModelDefinition:
    names: dict[str, ModelDefinition] = {}
    exec(text, names)  # noqa: S102
    return names["definition"]


@pytest.mark.parametrize(
    ("rows", "ending"),
    [
        (240, "csv"),
        pytest.param(240, "json", marks=pytest.mark.slow),
        pytest.param(120, "csv", marks=pytest.mark.slow),
    ],
)
def test_file_when_written_of_an_odd_table_reads_it(tmp_path: Path, rows: int, ending: str) -> None:
    table = make_table(rows)

    text = write(tmp_path, table, "def", ending)
    definition = definition_of(text)
    X, y, _ = read_table(definition.load_data(tmp_path / f"table.{ending}"), definition.schema)

    assert len(text.splitlines()) <= 120
    assert (table["def"] != "").sum() == len(y)
    has_value = table["def"].to_numpy() != ""
    assert table["Age"][has_value].tolist() == X["age_2"].tolist()
    assert {"a", "b", "__missing__"} == {*X["padded"]}
    assert {"01", "02"} == {*X["code"]}
    assert "proto" in X and "id" not in X and "class_" in X
    definition.build_pipeline().fit(X, y).predict(X)
    assert "id -> an id" in text


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_word_when_it_is_a_gap_of_one_column_is_a_value_of_others(
    tmp_path: Path, ending: str
) -> None:
    days = [f"{day:02d}/{month:02d}/2024" for month in range(1, 13) for day in range(13, 23)]
    visits = [place % 4 for place in range(len(days))]
    paid = ["no" if place % 3 else "yes" for place in visits]
    table = pd.DataFrame({"day": ["0", *days[1:]], "visits": visits, "paid": paid})
    table["amount"] = ["yes", *(f"{place / 8}" for place in range(1, len(days)))]
    table["plan"] = [["?", "0", "2"][place % 3] for place in range(len(days))]

    definition = definition_of(write(tmp_path, table, "paid", ending))
    X, y, _ = read_table(definition.load_data(tmp_path / f"table.{ending}"), definition.schema)

    assert visits == X["visits"].tolist()
    assert [each == "yes" for each in paid] == y.tolist()
    assert [0] == np.flatnonzero(X["day"].isna()).tolist()
    assert [0] == np.flatnonzero(X["amount"].isna()).tolist()
    assert (table["plan"] == "?").tolist() == X["plan"].isna().tolist()


@pytest.mark.slow
def test_file_when_written_is_clean_under_ruff(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    odd = {"Preis (€)": [f"{n}.50 €" for n in range(240)], "Größe, so genau wie nötig %": "3.5 %"}
    odd["class"] = ["a", "b"] * 60 + [f"rare {n}" for n in range(30)] * 2 + ["c"] * 60
    make_table().assign(Age=np.arange(240) ** 4, **odd).to_csv(path, index=False)
    for target in ("def", "Age", "class"):
        draft = draft_model(str(path), target, name="trial", sample=f"data/{'long' * 30}.csv")
        for number, each in enumerate(candidates(draft)):
            (tmp_path / f"{target}_{number}.py").write_text(model_text(draft, each, seed=number))
    (tmp_path / "json.py").write_text(write(tmp_path, make_table(120), "def", "json"))
    config = f"--config={ROOT / 'pyproject.toml'}"

    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        ruff = [sys.executable, "-m", "ruff", *command, config, str(tmp_path)]
        done = subprocess.run(ruff, capture_output=True, text=True)
        assert 0 == done.returncode, done.stdout


def test_durations_are_numbers_of_seconds_in_the_file_too(tmp_path: Path) -> None:
    path, frame = tmp_path / "table.parquet", make_table(200, 12)
    waits = pd.Series(range(200)) * 7 % 90
    frame.assign(wait=pd.to_timedelta(waits, unit="min")).to_parquet(path)
    drawn = draft_model(str(path), "class", name="trial", sample="data/table.parquet")

    table = definition_of(model_text(drawn, candidates(drawn)[0])).load_data(path)

    assert (waits * 60).tolist() == table["wait"].tolist()
    assert "Number" == {each.name: each.kind for each in drawn.fields}["wait"]


def test_codes_of_a_workbook_keep_their_zeros_in_the_file_too(tmp_path: Path) -> None:
    path, frame = tmp_path / "table.xlsx", make_table(200, 12)
    codes = ["007", "042", "900", ""] * 50
    frame.assign(zip=codes).to_excel(path, index=False)
    drawn = draft_model(str(path), "class", name="trial", sample="data/table.xlsx")

    table = definition_of(model_text(drawn, candidates(drawn)[0])).load_data(path)

    assert ["007", "042", "900"] == table["zip"][:3].tolist() and pd.isna(table["zip"][3])
    assert "Category" == {each.name: each.kind for each in drawn.fields}["zip"]
    assert frame["Age"].tolist() == table["Age"].tolist()


def test_call_when_it_is_long_is_broken_below_its_first_argument() -> None:
    text = call("Category", {"name": "a", "categories": tuple("abcdefgh" * 6)}, indent=4)

    assert all(len(line) <= 100 for line in text.splitlines())
    assert {13} == {len(line) - len(line.lstrip()) for line in text.splitlines()[1:]}
    compile(text.strip(), "call", "eval")


def test_text_when_quoted_is_the_same_text() -> None:
    for text in ('a"b', "a\\b", "né", "a\nb", "💰", "x\u200by", "3 € \u2013 ¿?", "हिन्दी"):
        assert text == eval(quote(text))  # noqa: S307
    assert '"3 € \\u2013 ¿?"' == quote("3 € \u2013 ¿?")
    assert '"x\\u200by"' == quote("x\u200by")


def test_lines_when_headers_and_cells_hold_commands_show_them(tmp_path: Path) -> None:
    odd = '\x1b]0;x\x07"""\nimport os\n"""\u202e'
    table = make_table(columns=11).rename(columns={"Age": odd})
    table.loc[:9, "c0"] = "\x1b[2J"
    path, lines = tmp_path / "table.csv", list[str]()
    table.to_csv(path, index=False)

    write_model_file(tmp_path / "x.py", str(path), "def", say=lines.append, family="linear")

    assert all(line.isprintable() for line in lines)
    assert any(r"\x1b]0;x\x07" in line for line in lines)
    columns = {field.column for field in definition_of((tmp_path / "x.py").read_text()).fields}
    assert odd in columns


def test_file_when_it_is_there_is_kept_and_the_difference_shown(tmp_path: Path) -> None:
    table, file = tmp_path / "table.csv", tmp_path / "models/trial.py"
    file.parent.mkdir()
    frame = pd.DataFrame({"x": range(5, 305), "y": ["yes", "no", "no"] * 100}).sample(300)
    frame.to_csv(table, index=False)
    lines: list[str] = []
    write_model_file(file, str(table), "y", say=lines.append, family="linear")
    text = file.read_text()

    write_model_file(file, str(table), "y", say=lines.append, family="linear")
    assert "models/trial.py says this already" == lines[-1]
    frame.assign(x=frame["x"] * 10).to_csv(table, index=False)
    with pytest.raises(ModelFileDiffers) as difference:
        write_model_file(file, str(table), "y", say=lines.append, family="linear")

    assert text == file.read_text()
    assert "maximum=500)" in str(difference.value) and "maximum=5000)" in str(difference.value)
    assert "--overwrite" in str(difference.value)
    assert "\nfields: x changed\n" in str(difference.value)
    write_model_file(file, str(table), "y", say=lines.append, family="linear", overwrite=True)
    assert "maximum=5000)" in file.read_text()
    assert str(tmp_path) not in file.read_text()


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["Churn", "--from", "{}"], 2, "a model cannot be called 'Churn'"),
        (["schema", "--from", "{}"], 2, "a model cannot be called 'schema'"),
        (["churn", "--from", "{}"], 1, "no target is named: add --target 'y'"),
        (["churn", "--from", "{}", "--target", "z"], 1, "there is no column 'z'"),
        (["churn", "--from", "{}", "--seed", "-3"], 1, "the seed is -3"),
        (["churn", "--from", "{}", "--minutes", "0"], 1, "minutes is 0"),
        (["churn", "--from", "absent.csv"], 1, "there is no file absent.csv"),
    ],
)
def test_command_when_nothing_can_be_written_ends_with_a_sentence(
    words: list[str], status: int, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    pd.DataFrame({"x": range(40), "y": ["yes", "no"] * 20}).to_csv(table, index=False)

    assert status == main([word.format(table) for word in words])

    assert sentence in capsys.readouterr().err
    assert not (ROOT / "models/churn.py").exists()
