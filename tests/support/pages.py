"""How the tests read a page of the documentation, and compare what it shows."""

import csv
import json
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from werkzeug.test import TestResponse

ADDRESS = "http://127.0.0.1:8000"

#: These differ between runs and machines; only their presence is compared.
CHANGING = {
    "request_id", "prediction_time", "now", "version", "model_version", "model_created_at",
    "id", "at", "next", "version_name",
}  # fmt: skip

#: What pages write like a setting: variables of others, and codes of protocols.
NO_SETTINGS = {
    "ALERT_URL", "BAD_REQUEST", "CANARY_IMAGE", "CANARY_KEY", "DATABASE_URL", "DEPLOY_TO",
    "DOCKER_DEFAULT_PLATFORM", "GUNICORN_CMD_ARGS", "HEROKU_API_KEY", "HEROKU_APP",
    "HEROKU_BUILDPACK", "INVALID_ARGUMENT", "INVALID_PARAMETER_VALUE", "KAMAL_REGISTRY_PASSWORD",
    "LC_ALL", "LC_MESSAGES", "NOTEBOOK_DATA", "NOTEBOOK_DRAWS", "ORT_DISABLE_TELEMETRY",
    "POSTGRES_PASSWORD", "POST_BUILD_COMMAND", "PYTHON_DOTENV_DISABLED", "REDIS_URL",
    "SCM_DO_BUILD_DURING_DEPLOYMENT", "SCRIPT_NAME", "SERVICE_URL", "TRAIN_IMAGE",
}  # fmt: skip


class Block(NamedTuple):
    """A fenced block of a page: its kind, the file it stands for, its text."""

    kind: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    fence = re.compile(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
    return [Block(*found) for found in fence.findall(page.read_text())]


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def table(page: Path, heading: str) -> dict[str, list[str]]:
    """Read the table under a heading: first cell to the others, without backticks."""
    section = re.split(r"^#+ ", page.read_text(), flags=re.MULTILINE)
    (text,) = (one for one in section if one.partition("\n")[0] == heading)
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line[:1] == "|"]
    names = {cell: rest for cells, *rest in rows[2:] for cell in cells.split(", ")}
    return {name.strip("`"): cells for name, cells in names.items()}


def assert_answer_like(shown: Any, answer: TestResponse) -> None:
    """Compare JSON or CSV that a page shows with an answer."""

    def rows(text: str) -> list[Any]:
        return [[_cell(cell) for cell in row] for row in csv.reader(text.splitlines())]

    if isinstance(shown, str):
        assert 200 == answer.status_code
        assert_like(rows(shown), rows(answer.text))
        return
    usual = 202 if "accepted" in shown else 200
    status = shown["status"] if "errors" in shown or "type" in shown else usual
    assert answer.status_code >= 400 if "error" in shown else status == answer.status_code
    assert_like(shown, answer.get_json())


def _cell(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def words(command: str) -> list[str]:
    return shlex.split(command.replace("\\\n", " "))


def assert_like(shown: Any, got: Any, where: str = "answer") -> None:
    """Compare what a page shows with what came: floats loosely, the rest exactly."""
    if isinstance(shown, dict):
        names = set(shown) - {"..."}
        assert names <= set(got) if "..." in shown else names == set(got), f"{where}: {set(got)}"
        for name in names - CHANGING:
            assert_like(shown[name], got[name], f"{where}.{name}")
    elif isinstance(shown, list):
        assert len(shown) == len(got), where
        for index, one in enumerate(shown):
            assert_like(one, got[index], f"{where}[{index}]")
    elif isinstance(shown, float):
        assert got == pytest.approx(shown, abs=0.05), where
    else:
        assert (type(shown), shown) == (type(got), got), where


def examples(*pages: Path) -> list[Any]:
    """Give each request that pages show, with its answer: the next shown, else the last."""
    given: list[Any] = []
    for page in pages:
        found, shown = blocks(page), None
        for block, after in pairwise([*found, Block("", "", "")]):
            if block.kind == "sh" and block.text.startswith("curl"):
                shown = json.loads(after.text) if after.kind == "json" else shown
                shown = after.text if after.kind == "csv" else shown
                name = f"{page.name}-{len(given)}"
                given.append(pytest.param(words(block.text), shown, id=name))
    return given


def request_of(curl: list[str]) -> tuple[str, dict[str, str], str | None]:
    """Read a curl command: path, headers, body."""
    options = dict(pairwise(curl))
    (url,) = (word for word in curl if word.startswith(ADDRESS))
    headers = dict(value.split(": ") for option, value in pairwise(curl) if option == "-H")
    body = options.get("-d") or options.get("--data-binary")
    return url.removeprefix(ADDRESS), headers, body
