"""Commands, their help, and the model files that they write, in the language of the terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import models
from engine.languages import choose, choose_by_environment, language
from engine.training.infer.write import write_model_file
from persistence.model_persistence import ModelStore
from tests.support.application import serve

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("variables", "tag"),
    [
        ({}, "en"), ({"LANG": "C"}, "en"), ({"LC_ALL": "POSIX", "LANG": "pt_BR.UTF-8"}, "en"),
        ({"LANG": "pt_BR.UTF-8"}, "pt-BR"), ({"LANG": "pt_PT"}, "pt-BR"),
        ({"LC_MESSAGES": "es_CL.UTF-8@euro", "LANG": "pt_BR"}, "es"),
        ({"LC_ALL": "", "LC_MESSAGES": "", "LANG": "es"}, "es"), ({"LANG": "de_DE"}, "en"),
    ],
)  # fmt: skip
def test_command_when_a_terminal_has_a_language_follows_it(
    variables: dict[str, str], tag: str
) -> None:
    choose_by_environment(variables)
    try:
        assert tag == language()
    finally:
        choose("en")


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("C", "there is no data file none.csv: name one with --data"),
        ("pt_BR.UTF-8", "não há arquivo de dados none.csv: indique um com --data"),
        ("es_MX.UTF-8", "no hay ningún archivo de datos none.csv: indique uno con --data"),
    ],
)
def test_training_when_run_speaks_the_language_of_the_terminal(
    tmp_path: Path, locale: str, expected: str
) -> None:
    (name, *_) = models.names()
    environment = {**os.environ, "LC_ALL": locale, "MODEL_STORE": str(tmp_path)}

    run = subprocess.run(
        [sys.executable, "build_model.py", name, "--data", "none.csv"],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip

    assert (f"build_model: {expected}\n", 1) == (run.stderr, run.returncode)


def test_help_of_a_command_is_in_the_language_of_the_terminal(
    toy_store: ModelStore,
) -> None:
    runner = serve(toy_store, "parcel").test_cli_runner()

    spanish = runner.invoke(args=["keys", "remove", "--help"], env={"LC_ALL": "es_CL.UTF-8"})
    english = runner.invoke(args=["keys", "remove", "--help"], env={"LC_ALL": "C"})

    assert "Elimina una clave: se rechaza a partir de ahora." in spanish.output
    assert "Remove a key: it is rejected from now on." in english.output
    assert "flask keys remove 1a2b3c4d" in spanish.output
    assert "Elimina" not in english.output


def test_model_file_when_written_again_in_another_language_is_the_same(tmp_path: Path) -> None:
    table = tmp_path / "data/visits.csv"
    table.parent.mkdir()
    lines = (f"{n},{n % 7},{'yes' if n % 3 else 'no'}" for n in range(60))
    table.write_text("\n".join(["Visit ID,Days,Paid", *lines]))
    file, said = tmp_path / "models/visits.py", list[str]()
    file.parent.mkdir()

    for tag in ("pt-BR", "en"):
        choose(tag)
        write_model_file(file, str(table), "Paid", say=said.append, family="linear")
    choose("en")

    assert any(line.split()[:3] == ["Days", "número", "inteiro,"] for line in said)
    assert "models/visits.py says this already" == said[-1]
    assert "Columns that are set aside" not in file.read_text()
