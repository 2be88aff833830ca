"""One table names every status of a failure, wherever it is answered or described."""

import re

from engine.api.statuses import STATUSES, status_of
from engine.schema.problem_codes import Code
from tests.support.project import ROOT


def test_table_when_compared_with_the_code_has_every_status_that_is_answered() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "engine").rglob("*.py"))

    answered = set(map(int, re.findall(r"\b(?:Failure|BadRequest|_refuse)\((\d{3}),", source)))

    assert {400, 401, 403, 404, 409, 415, 422, 429, 501, 503} <= answered <= set(STATUSES)


def test_status_when_it_is_a_users_own_has_the_names_of_any_bad_request() -> None:
    status = status_of(418)

    assert ("", "BAD_REQUEST", "INVALID_ARGUMENT") == (status.reason, status.mlflow, status.google)


def test_codes_when_compared_are_those_of_the_page() -> None:
    page = (ROOT / "docs/reference/http.md").read_text()

    table = page.partition("| code | means |")[2].partition("\n\n")[0]

    assert [*Code] == re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
