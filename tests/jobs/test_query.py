"""The lake answers SQL, and SQL reaches nothing else."""

import csv
import io

import pytest

from jobs import query
from tests.support.beer_api import beer_api, make_beers
from tests.support.lakes import ALES, Done, Lakeside
from tests.support.s3 import BUCKET, variables

BEERS = [*make_beers(50), {"id": 60, "name": "odd", "abv": "strong"}]


def ask(capsys: pytest.CaptureFixture[str], sql: str, *options: str) -> Done:
    code = query.main([sql, *options])
    out, err = capsys.readouterr()
    return Done(code, out, err)


def rows(capsys: pytest.CaptureFixture[str], sql: str) -> list[list[str]]:
    done = ask(capsys, sql, "--csv")
    assert (0, "") == (done.code, done.err)
    return [*csv.reader(io.StringIO(done.out))]


@pytest.fixture
def filled(lakeside: Lakeside) -> Lakeside:
    """A lake with 50 beers, one of them in two revisions, and one that was rejected."""
    with beer_api(BEERS) as api:
        lakeside.ingest(ALES.format(port=api.port))
        api.beers[7] = {**BEERS[7], "abv": 77.5}
        lakeside.ingest(ALES.format(port=api.port))
    return lakeside


def test_views_of_a_source_have_what_came_and_what_became_of_it(
    filled: Lakeside, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = "select (select count(*) from ales), (select count(*) from ales_cleaned), "
    counts += "(select count(*) from ales_rejected), (select count(*) from ales_raw)"

    assert ["50", "51", "1", "52"] == rows(capsys, counts)[1]
    newest = "select id, abv from ales where abv = 77.5"
    assert [["id", "abv"], [str(BEERS[7]["id"]), "77.5"]] == rows(capsys, newest)
    assert ["id", "name", "abv", "ibu", "ph"] == rows(capsys, "from ales limit 1")[0]
    raw = (
        "select distinct record->>'name', origin, year(came) = year from ales_raw where object = 1"
    )
    assert [BEERS[0]["name"], "page 1", "True"] in rows(capsys, raw)
    rejected = "select key, reasons[1], record->>'abv' from ales_rejected"
    assert ["60", "abv is 'strong': send a number", "strong"] == rows(capsys, rejected)[1]
    assert "│    50 │" in ask(capsys, "select count(*) as beers from ales").out.replace("int64", "")


def test_month_of_a_record_is_its_own_and_not_that_of_the_folder(
    lakeside: Lakeside, capsys: pytest.CaptureFixture[str]
) -> None:
    (lakeside.folder / "rainfall.csv").write_text("month,price\n13,280.5\n")
    source = f'[rainfall]\nkind = "files"\npath = "{lakeside.folder}/rainfall.csv"\n'
    source += 'columns = { month = "integer", price = "number" }\n'
    lakeside.ingest(source, name="rainfall")

    assert [["month", "price"], ["13", "280.5"]] == rows(capsys, "from rainfall")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select * from read_csv('/etc/passwd')", "disabled by configuration"),
        ("select * from '/etc/passwd'", "does not exist"),
        ("select content from read_text('../sources.toml')", "disabled by configuration"),
        ("copy (select 1) to 'ales/raw/x.csv'", "the lake is only read"),
        ("drop view ales", "the lake is only read"),
        ("select 1; select 2", "the lake is only read"),
        ("set enable_external_access = true", "the lake is only read"),
        ("install httpfs", "the lake is only read"),
        ("select * from lagers", "lagers does not exist"),
        ("selec", "syntax error"),
        ("", "the lake is only read"),
    ],
)
def test_sql_when_it_would_do_anything_else_is_refused(
    filled: Lakeside, capsys: pytest.CaptureFixture[str], sql: str, reason: str
) -> None:
    before = sorted(filled.folder.rglob("*"))

    done = ask(capsys, sql)

    assert (2, "") == (done.code, done.out)
    assert reason in done.err
    assert done.err.startswith("query: ")
    assert before == sorted(filled.folder.rglob("*"))


@pytest.mark.slow
def test_lake_when_in_a_bucket_answers_alike(
    lakeside: Lakeside,
    s3: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables(s3).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LAKE", f"s3://{BUCKET}/{lakeside.folder.name}")
    with beer_api(BEERS) as api:
        lakeside.ingest(ALES.format(port=api.port))

    assert ["50", "60"] == rows(capsys, "select count(*), max(key) from ales, ales_rejected")[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    done = ask(capsys, "select count(*) from ales")
    assert 1 == done.code
    assert "query: the lake cannot be read" in done.err
