"""The settings, from the environment and from a `.env` file."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import settings
from engine.env_file import add_env_file
from settings import InvalidSettings, Settings
from tests.support.project import copy_project
from tests.support.serving import environment

SECRET = "Zx9&Kq2vLm7#Tr4$Wp8cHd5nBy3"  # noqa: S105


def read(folder: Path, content: str | bytes, **given: str) -> tuple[list[str], dict[str, str]]:
    """Return the problems of a file of this content, and the environment after it."""
    path = folder / ".env"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    problems = add_env_file(path, given, [field.name.upper() for field in fields(Settings)])
    return problems, given


@pytest.mark.parametrize(
    ("files", "chosen", "default"),
    [
        ("churn", "", "churn"), ("churn", "wine", "wine"), ("credit churn", "", "credit"),
        ("", "", "credit"), ("churn wine", "", "credit"),
    ],
)  # fmt: skip
def test_default_model_when_none_is_set_is_the_only_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: str, chosen: str, default: str
) -> None:
    monkeypatch.setattr(settings, "__file__", str(tmp_path / "settings.py"))
    (tmp_path / "models").mkdir()
    for name in ["__init__", "schema", *files.split()]:
        (tmp_path / f"models/{name}.py").touch()

    assert default == Settings.from_environment({"DEFAULT_MODEL": chosen}).default_model


def test_setting_when_it_has_the_name_of_an_earlier_release_is_refused_with_the_new_one() -> None:
    with pytest.raises(InvalidSettings, match=r"^RATE_LIMIT_REDIS is now SHARED_REDIS: rename it$"):
        Settings.from_environment({"RATE_LIMIT_REDIS": "redis://host:6379/0"})


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("TRAINED_BY=Ada Lovelace", "Ada Lovelace"),
        (f"TRAINED_BY={SECRET}", SECRET),
        ("TRAINED_BY=$(touch pwned) & touch pwned; `touch pwned`",
         "$(touch pwned) & touch pwned; `touch pwned`"),
        ("TRAINED_BY=${HOME}$HOME", "${HOME}$HOME"),
        ("TRAINED_BY='a # b'  # the rest", "a # b"),
        ('TRAINED_BY="it\'s $HOME"', "it's $HOME"),
        ("TRAINED_BY=a=b # the rest", "a=b"),
        ("export TRAINED_BY = a", "a"),
        ("\ufeffTRAINED_BY=São Paulo", "São Paulo"),
        ("# first\r\n\r\nTRAINED_BY=a\r\n", "a"),
        ("TRAINED_BY=", ""),
    ],
)  # fmt: skip
def test_env_file_when_read_is_taken_as_it_stands(tmp_path: Path, line: str, value: str) -> None:
    assert ([], {"TRAINED_BY": value}) == read(tmp_path, line)


def test_env_file_when_the_environment_has_a_setting_leaves_it(tmp_path: Path) -> None:
    content = "PORT=1\nTRAINED_BY=${PORT}\nAWS_REGION=here\n"

    _, given = read(tmp_path, content, PORT="", DEFAULT_MODEL="b", TRAINED_BY="c")

    assert {"PORT": "", "DEFAULT_MODEL": "b", "TRAINED_BY": "c", "AWS_REGION": "here"} == given


def test_env_file_when_a_name_is_of_the_user_or_a_library_passes_it_on(tmp_path: Path) -> None:
    content = "DB_PASSWORD=a\nHTTPS_PROXY=b\nGUNICORN_CMD_ARGS=c\nS3_1=d\n"
    expected = {"DB_PASSWORD": "a", "HTTPS_PROXY": "b", "GUNICORN_CMD_ARGS": "c", "S3_1": "d"}

    assert ([], expected) == read(tmp_path, content)


def test_env_file_when_flask_has_replaced_names_in_it_is_taken_as_it_stands(tmp_path: Path) -> None:
    assert "a${NONE}" == read(tmp_path, "TRAINED_BY=a${NONE}", TRAINED_BY="a")[1]["TRAINED_BY"]


def test_env_file_when_lines_are_wrong_names_each_and_shows_no_value(tmp_path: Path) -> None:
    content = (
        f"# mine\n\nPORT=1\nDEFAULT_MODLE={SECRET}\n{SECRET} {SECRET}\nAPI_KEY\n\n"
        f"# again\nPORT={SECRET}\nAPI_KEY=\"{SECRET}\nX={SECRET}\n"
        "c2VjcmV0b2Zmb3Vy==\n"
    )  # fmt: skip

    problems, given = read(tmp_path, content)

    assert {} == given
    assert [
        ".env, line 4: DEFAULT_MODLE is not a setting: did you mean DEFAULT_MODEL?",
        ".env, line 5: cannot be read: write NAME=value, and close every quote",
        ".env, line 6: API_KEY has no value: write API_KEY=value",
        ".env, line 9: PORT is in line 3 already: delete one of the two",
        ".env, line 10: cannot be read: write NAME=value, and close every quote",
        ".env, line 12: the name is not in capital letters: write NAME=value",
    ] == problems


def test_env_file_when_it_is_no_text_is_refused(tmp_path: Path) -> None:
    assert [".env is not in UTF-8: save it in that encoding"] == read(
        tmp_path, "PORT=1".encode("utf-16")
    )[0]


def test_settings_when_several_are_malformed_names_each_with_its_value_and_remedy() -> None:
    given = {
        "WEB_CONCURRENCY": "auto",
        "THREADS": "-1",
        "FAST_PATH": "on",
        "MODEL_STORE": "ftp://x",
    }

    with pytest.raises(InvalidSettings) as raised:
        Settings.from_environment(given)

    for name, value in given.items():
        assert f"{name} is {value!r}: give " in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [["build_model.py"], ["test_model.py"], ["app.py"], ["app.py", "serve"],
     ["-m", "gunicorn", "app:app"], ["-m", "flask", "models", "list"]],
    ids=" ".join,
)  # fmt: skip
def test_command_when_a_line_is_wrong_names_it(tmp_path: Path, command: list[str]) -> None:
    project = copy_project(tmp_path / "project")
    (project / ".env").write_text(f"TRAINED_BY=Ada Lovelace\nAPI_KY={SECRET}\nTHREADS=many\n")
    given = environment()
    del given["PYTHON_DOTENV_DISABLED"], given["FLASK_SKIP_DOTENV"]

    done = subprocess.run(
        [sys.executable, *command], cwd=project, env=given, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip

    said = done.stdout + done.stderr
    assert (2 if "flask" in command else 1) == done.returncode
    assert ".env, line 2: API_KY is not a setting: did you mean API_KEY?" in said
    assert "Traceback" not in said and SECRET not in said


def test_store_when_vertex_names_it_counts_unless_we_name_one() -> None:
    named = {"AIP_STORAGE_URI": "gs://a-project/models"}

    assert "gs://a-project/models" == Settings.from_environment(named).model_store
    own = Settings.from_environment(named | {"MODEL_STORE": "/models"}).model_store
    assert Path("/models") == own
    assert Path("artifacts") == Settings.from_environment({"AIP_STORAGE_URI": ""}).model_store
