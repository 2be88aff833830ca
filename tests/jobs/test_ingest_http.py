"""An API is read politely, page by page, and every record of it is in the lake once."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs import sources
from tests.support.beer_api import BeerApi, beer_api, make_beers
from tests.support.lakes import ALES, Lakeside

BEERS = make_beers(90)
REAL = Path(__file__).parents[3] / "shared/data/beers/beers_325.json"


@pytest.fixture
def api() -> Iterator[BeerApi]:
    """A stand-in with 90 beers: four pages of 20, and one of 10."""
    with beer_api(BEERS) as served:
        yield served


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are a tenth as long."""
    monkeypatch.setattr("jobs.sources.random.uniform", lambda low, high: 0.02)


def test_catalogue_when_ingested_is_kept_as_it_came_and_cleaned(
    lakeside: Lakeside, api: BeerApi
) -> None:
    done = lakeside.ingest(ALES.format(port=api.port))

    assert (0, "") == (done.code, done.err)
    assert "ales: 90 records came, 90 of them new or changed: 90 cleaned, 0 rejected\n" == done.out
    assert BEERS == lakeside.raw()
    columns = ("id", "name", "abv", "ibu", "ph")
    rows = lakeside.cleaned()
    assert [{name: beer[name] for name in columns} for beer in BEERS] == [
        {name: row[name] for name in columns} for row in rows
    ]
    assert [str(beer["id"]) for beer in BEERS] == [row["_key"] for row in rows]
    assert {"page 1": 20, "page 5": 10}.items() <= {
        page: [row["_origin"] for row in rows].count(page) for page in ("page 1", "page 5")
    }.items()


def test_catalogue_when_nothing_changed_is_asked_for_by_its_tags_and_stored_once(
    lakeside: Lakeside, api: BeerApi
) -> None:
    lakeside.ingest(ALES.format(port=api.port))
    before = sorted(lakeside.lake.rglob("*"))
    asked = len(api.asked)

    done = lakeside.ingest(ALES.format(port=api.port))

    assert "0 records came" in done.out
    assert before == sorted(lakeside.lake.rglob("*"))
    assert [True] * 5 == ["if-none-match" in each.headers for each in api.asked[asked:]]


def test_record_when_changed_is_another_revision_and_the_newest_counts(
    lakeside: Lakeside, api: BeerApi
) -> None:
    lakeside.ingest(ALES.format(port=api.port))
    first = BEERS[30]
    api.beers[30] = {**first, "abv": 7.25}
    lakeside.ingest(ALES.format(port=api.port))
    api.beers[30] = first  # back to what it was: that is news as well

    done = lakeside.ingest(ALES.format(port=api.port))

    assert "20 records came, 1 of them new or changed" in done.out
    revisions = [row["abv"] for row in lakeside.cleaned() if row["id"] == first["id"]]
    assert [first["abv"], 7.25, first["abv"]] == revisions
    assert 92 == len(lakeside.raw())


@pytest.mark.parametrize(("count", "pages"), [(90, 3), (80, 3), (7, 2)])
def test_catalogue_when_the_server_gives_fewer_than_asked_for_is_read_to_its_end(
    lakeside: Lakeside, api: BeerApi, count: int, pages: int
) -> None:
    del api.beers[count:]
    api.most = 40

    done = lakeside.ingest(ALES.format(port=api.port).replace("per_page = 20", "per_page = 80"))

    assert (0, BEERS[:count]) == (done.code, lakeside.raw())
    assert [str(page + 1) for page in range(pages)] == [
        each.parameters["page"] for each in api.asked
    ]


@pytest.mark.parametrize("fault", ["429", "500", "cut", "half"])
def test_page_when_it_fails_twice_is_asked_for_again(
    lakeside: Lakeside, api: BeerApi, fault: str
) -> None:
    api.fail(fault, 2, after=2)

    done = lakeside.ingest(ALES.format(port=api.port))

    assert (0, "") == (done.code, done.err)
    assert BEERS == lakeside.raw()
    assert ["3"] * 3 == [each.parameters["page"] for each in api.asked if
                         each.parameters["page"] == "3"]  # fmt: skip
    waited = api.asked[3].at - api.asked[2].at
    assert fault != "429" or waited >= 1  # as Retry-After says


def test_page_when_it_never_comes_ends_the_run_which_goes_on_there(
    lakeside: Lakeside, api: BeerApi
) -> None:
    api.fail("500", 100, after=2)
    cut = lakeside.ingest(ALES.format(port=api.port))
    api.fail("", 0)
    asked = len(api.asked)

    done = lakeside.ingest(ALES.format(port=api.port))

    assert 1 == cut.code
    assert "does not answer {'page': 3, 'per_page': 20}: status 500" in cut.err
    assert "run this again to go on" in cut.err
    assert sources.TRIES == asked - 2
    assert ["3", "4", "5"] == [each.parameters["page"] for each in api.asked[asked:]]
    assert (0, BEERS) == (done.code, lakeside.raw())


def test_pace_when_given_is_kept_between_requests(lakeside: Lakeside, api: BeerApi) -> None:
    lakeside.ingest(ALES.format(port=api.port).replace("per_second = 1000", "per_second = 10"))

    gaps = [after.at - before.at for before, after in zip(api.asked, api.asked[1:], strict=False)]
    assert min(gaps) >= 0.1


def test_answer_when_it_leads_to_another_host_is_not_followed(
    lakeside: Lakeside, api: BeerApi
) -> None:
    api.fail("redirect", 100)

    done = lakeside.ingest(ALES.format(port=api.port))

    assert 1 == done.code
    assert "leads to another host, 192.0.2.1" in done.err
    assert not lakeside.lake.exists()


def test_answer_when_too_large_or_too_slow_is_given_up(
    lakeside: Lakeside, api: BeerApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MOST_BYTES", 1000)
    large = lakeside.ingest(ALES.format(port=api.port))
    monkeypatch.setattr(sources, "MOST_BYTES", 10**6)
    monkeypatch.setattr(sources, "MOST_SECONDS", 0.2)
    api.fail("slow")

    slow = lakeside.ingest(ALES.format(port=api.port))

    for done in (large, slow):
        assert 1 == done.code
        assert "answers more than" in done.err


@pytest.mark.parametrize(
    "address", ["http://192.0.2.1/v2/beers", "file:///etc/passwd", "https://a:b@192.0.2.1/"]
)
def test_address_when_neither_encrypted_nor_of_this_machine_is_refused(
    lakeside: Lakeside, address: str
) -> None:
    done = lakeside.ingest(ALES.replace("http://127.0.0.1:{port}/v2/beers", address).format())

    assert (2, f"ingest: address is {address}: give https://host/path\n") == (done.code, done.err)


def test_secret_when_named_comes_from_the_environment_only(
    lakeside: Lakeside, api: BeerApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = ALES.format(port=api.port) + 'headers = { "x-api-key" = "$BEER_KEY" }\n'
    without = lakeside.ingest(described)
    monkeypatch.setenv("BEER_KEY", "k1\nk2")
    broken = lakeside.ingest(described)
    monkeypatch.setenv("BEER_KEY", "k1\n")

    done = lakeside.ingest(described)

    assert (2, "ingest: the variable BEER_KEY is not set: give it to this process\n") == (
        without.code, without.err,
    )  # fmt: skip
    assert (2, False) == (broken.code, "k1" in broken.err)
    assert 0 == done.code
    assert {"k1"} == {each.headers["x-api-key"] for each in api.asked}
    assert not [path for path in lakeside.lake.rglob("*.jsonl*") if b"k1" in path.read_bytes()]


def test_random_beers_when_asked_for_often_are_stored_once_each(
    lakeside: Lakeside, api: BeerApi
) -> None:
    del api.beers[8:]
    described = ALES.format(port=api.port).replace("/v2/beers", "/v2/beers/random")
    described += 'paging = "none"\nrequests = 60\n'

    done = lakeside.ingest(described)

    assert "60 records came, 8 of them new or changed: 8 cleaned" in done.out
    key = "id"
    assert sorted(api.beers, key=lambda beer: beer[key]) == sorted(
        lakeside.raw(), key=lambda beer: beer[key]
    )


def test_source_when_unknown_or_misspelt_is_named(lakeside: Lakeside, api: BeerApi) -> None:
    unknown = lakeside.ingest(ALES.format(port=api.port), name="lagers")
    misspelt = lakeside.ingest(ALES.format(port=api.port).replace("per_page", "per_pages"))

    assert (2, 2) == (unknown.code, misspelt.code)
    assert "has no [lagers]: write it, or name one of ales" in unknown.err
    assert "unknown field `per_pages`" in misspelt.err
    assert "'../ales' is no name" in lakeside.ingest("", name="../ales").err


@pytest.mark.real_data
@pytest.mark.skipif(not REAL.exists(), reason="the real beers are not here")
def test_real_beers_when_ingested_are_all_there(lakeside: Lakeside) -> None:
    beers = json.loads(REAL.read_text())
    with beer_api(beers) as api:
        done = lakeside.ingest(ALES.format(port=api.port).replace("per_page = 20", "per_page = 80"))

    assert "325 records came, 325 of them new or changed: 325 cleaned" in done.out
    assert beers == lakeside.raw()
    assert sum(beer["ibu"] or 0 for beer in beers) == sum(
        row["ibu"] or 0 for row in lakeside.cleaned()
    )
