"""The lake fails, in a folder or a bucket: what was stored stays, and the next run goes on."""

import errno
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import Mock

import pytest

from persistence import lake as lakes
from persistence.lake import Lake
from persistence.objects import copy_objects
from tests.support.beer_api import beer_api, make_beers
from tests.support.fault_proxy import FaultProxy
from tests.support.lakes import ALES, Lakeside
from tests.support.s3 import BUCKET

BEERS = make_beers(90)


def test_disk_when_full_ends_the_run_with_a_sentence_and_the_next_goes_on(
    lakeside: Lakeside, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, fsync = [], os.fsync

    def is_full(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) > 25:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    with beer_api(BEERS) as api:
        with monkeypatch.context() as patched:
            patched.setattr("persistence.objects.os.fsync", is_full)
            full = lakeside.ingest(ALES.format(port=api.port))
        before = lakeside.raw()

        done = lakeside.ingest(ALES.format(port=api.port))

    assert 1 == full.code
    assert f"{lakeside.lake}/ales is not written: [Errno 28] No space left on device" in full.err
    assert 0 < len(before) < len(BEERS)
    assert not [*lakeside.lake.rglob(".draft-*")]
    assert (0, BEERS) == (done.code, lakeside.raw())
    assert len(BEERS) == len(lakeside.cleaned())


def test_object_when_another_process_has_stored_it_is_refused(tmp_path: Path) -> None:
    first, second = Lake(tmp_path, ["id"]), Lake(tmp_path, ["id"])
    assert [] == [*first.replay()] == [*second.replay()]
    first.add([("a", b'{"id": 1}')], {"page": 1})

    with pytest.raises(lakes.ChainMoved, match=r"has stored raw/.*/000000001\.jsonl\.gz meanwhile"):
        second.add([("a", b'{"id": 2}')], {"page": 1})

    (raw,) = Lake(tmp_path, ["id"]).replay()
    assert [{"id": 1}] == [record.value for record in raw.records]


def test_chain_when_a_day_begins_is_continued_where_all_look_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Mock(now=Mock(return_value=datetime(2026, 1, 31, 23, 59, tzinfo=UTC)))
    monkeypatch.setattr(lakes, "datetime", clock)
    lake = Lake(tmp_path, ["id"])
    assert [] == [*lake.replay()]
    lake.add([("a", b'{"id": 1}')], {})
    late = Lake(tmp_path, ["id"])
    assert 1 == len([*late.replay()])
    clock.now.return_value = datetime(2026, 2, 1, tzinfo=UTC)
    lake.add([("a", b'{"id": 2}')], {})
    clock.now.return_value = datetime(2026, 1, 31, tzinfo=UTC)  # a clock that is set back
    lake.add([("a", b'{"id": 3}')], {})

    names = [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*.gz"))]
    assert [
        "raw/year=2026/month=01/day=31/000000001.jsonl.gz",
        "raw/year=2026/month=01/day=31/000000002.jsonl.gz",  # only says where the next one is
        "raw/year=2026/month=02/day=01/000000003.jsonl.gz",
        "raw/year=2026/month=02/day=01/000000004.jsonl.gz",
    ] == names
    with pytest.raises(lakes.ChainMoved):
        late.add([("a", b'{"id": 4}')], {})
    values = [each.value for raw in Lake(tmp_path, ["id"]).replay() for each in raw.records]
    assert [{"id": 1}, {"id": 2}, {"id": 3}] == values


@pytest.mark.parametrize("is_cut", [True, False])
def test_chain_when_damaged_is_named_and_nothing_is_added(
    lakeside: Lakeside, *, is_cut: bool
) -> None:
    with beer_api(BEERS) as api:
        lakeside.ingest(ALES.format(port=api.port))
        second = sorted(lakeside.lake.rglob("*.jsonl.gz"))[1]
        if is_cut:
            second.write_bytes(second.read_bytes()[:-9])
        else:
            second.unlink()
        before = sorted(lakeside.lake.rglob("*"))

        done = lakeside.ingest(ALES.format(port=api.port))

    assert 1 == done.code
    said = "000000002.jsonl.gz cannot be read" if is_cut else "object 2 is missing before raw/"
    assert said in done.err
    assert before == sorted(lakeside.lake.rglob("*"))


def test_lake_when_long_is_remembered_and_what_is_remembered_can_go(
    lakeside: Lakeside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lakes, "BETWEEN", 3)
    described = ALES.replace("per_page = 20", "per_page = 5")
    with beer_api(BEERS, has_tags=False) as api:
        lakeside.ingest(described.format(port=api.port))
        seen = [path.name for path in (lakeside.lake / "ales/seen").iterdir()]
        first = lakeside.ingest(described.format(port=api.port))
        # Without what follows from the rest, all is read and cleaned again.
        for folder in ("seen", "cleaned", "rejected"):
            shutil.rmtree(lakeside.lake / "ales" / folder, ignore_errors=True)
        again = lakeside.ingest(described.format(port=api.port))
        other_key = lakeside.ingest(
            described.format(port=api.port).replace('"id"]', '"id", "name"]')
        )

    assert ["000000019"] == [name.partition("-")[0] for name in seen]
    assert "90 records came, 0 of them new or changed" in first.out
    assert "90 records came, 0 of them new or changed: 90 cleaned" in again.out
    assert BEERS == lakeside.raw()
    assert len(BEERS) == len(lakeside.cleaned())
    assert "90 records came, 0 of them new or changed" in other_key.out


@pytest.mark.parametrize("damage", [slice(0, 40), slice(0, -7), slice(16, None)])
def test_lake_when_what_is_remembered_is_damaged_is_read_from_its_beginning(
    lakeside: Lakeside, monkeypatch: pytest.MonkeyPatch, damage: slice
) -> None:
    monkeypatch.setattr(lakes, "BETWEEN", 3)
    with beer_api(BEERS, has_tags=False) as api:
        lakeside.ingest(ALES.format(port=api.port))
        (seen,) = (lakeside.lake / "ales/seen").iterdir()
        whole = seen.read_bytes()
        seen.write_bytes(whole[damage])
        done = lakeside.ingest(ALES.format(port=api.port))

    assert "90 records came, 0 of them new or changed" in done.out
    assert (0, "", BEERS) == (done.code, done.err, lakeside.raw())
    assert whole == next((lakeside.lake / "ales/seen").glob(seen.name)).read_bytes()


@pytest.mark.slow
def test_bucket_when_it_fails_on_the_way_has_all_after_the_next_run(
    lakeside: Lakeside, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE", f"s3://{BUCKET}/{lakeside.folder.name}")
    described = ALES.format
    with beer_api(BEERS, has_tags=False) as api:
        proxy.fail("500", when=lambda asked: "000000003" in asked.path)
        cut = lakeside.ingest(described(port=api.port))
        proxy.fail("lost", when=lambda asked: asked.method == "PUT", times=2)
        lost = lakeside.ingest(described(port=api.port))
        proxy.heal()

        done = lakeside.ingest(described(port=api.port))

    copy_objects(f"s3://{BUCKET}/{lakeside.folder.name}/ales", lakeside.lake / "ales")
    assert (1, 0, 0) == (cut.code, lost.code, done.code)
    assert "does not answer as it should" in cut.err
    assert BEERS == lakeside.raw()
    assert len(BEERS) == len(lakeside.cleaned())


def test_line_of_the_chain_has_the_record_and_its_origin(tmp_path: Path) -> None:
    lake = Lake(tmp_path, [])
    assert [] == [*lake.replay()]
    stored = lake.add([("a:1", b' {"x":\n 1.50} '), ("a:2", b"no json")], {"page": 2})
    assert stored is not None

    again = Lake(tmp_path, [])
    (raw,) = again.replay()

    assert {"page": 2} == again.cursor
    assert stored == raw
    assert [b'{"x":  1.50}', b"no json"] == [record.content for record in raw.records]
    assert ["a:1", "a:2"] == [record.key for record in raw.records]
