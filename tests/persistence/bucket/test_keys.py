"""API keys in a bucket: the same on every machine, also while the bucket is away."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from persistence.api_keys import InvalidKeys, KeyFile, make_key
from persistence.bucket import keys as bucket_keys
from persistence.bucket.client import Bucket
from persistence.bucket.keys import BucketKeys
from persistence.callers import Callers
from persistence.store_errors import StoreUnavailable
from tests.support.fault_proxy import FaultProxy
from tests.support.stores import new_address

pytestmark = pytest.mark.slow


@pytest.fixture
def machine(
    proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Callers]:
    """Make a machine by its name; all have the same keys, and look whenever they are told."""
    address = f"{new_address()}/keys.json"
    monkeypatch.setattr(bucket_keys, "SECONDS", 0)
    return lambda name: Callers(BucketKeys(address, tmp_path / name))


def add(callers: Callers) -> str:
    text, key = make_key("ana")
    callers.file.add(key)
    return text


def found(callers: Callers, text: str) -> bool:
    """Tell whether a machine accepts a key, after it has looked."""
    assert callers.pull
    callers.pull()
    callers.look()
    return callers.find(text) is not None


def test_key_when_made_and_removed_by_one_machine_is_so_for_all(
    machine: Callable[[str], Callers],
) -> None:
    machines = [machine("one"), machine("two")]
    assert [True, True] == [callers.need_keys for callers in machines]  # before there is a key

    stays, goes = add(machines[0]), add(machines[1])
    assert [True] * 4 == [found(callers, text) for callers in machines for text in (stays, goes)]
    machines[1].file.remove(goes.partition(".")[0])

    assert [True, False] * 2 == [
        found(callers, text) for callers in machines for text in (stays, goes)
    ]
    assert [stays.partition(".")[0]] == [key.id for key in machines[0].file.read()]
    with pytest.raises(InvalidKeys, match="there is no key 'ffff'"):
        machines[0].file.remove("ffff")


def test_keys_when_the_bucket_is_away_stay_as_they_were(
    machine: Callable[[str], Callers], proxy: FaultProxy, caplog: pytest.LogCaptureFixture
) -> None:
    one = machine("one")
    text = add(one)
    assert found(one, text)
    proxy.fail("reset")

    assert [True, True] == [found(one, text) for _ in range(2)]
    assert found(machine("one"), text)  # that starts again
    assert not found(machine("new"), text)
    assert machine("new").need_keys
    with pytest.raises(StoreUnavailable):
        one.file.read()
    proxy.heal()
    with caplog.at_level(logging.WARNING):
        assert found(one, text)
    said = [record.getMessage() for record in caplog.records]
    assert 3 == sum("the keys stay as they were" in line for line in said)  # once for each machine
    assert any("the keys can be read again from s3://" in line for line in said)


def test_keys_when_damaged_or_deleted_in_the_bucket_are_as_those_of_a_file(
    machine: Callable[[str], Callers],
) -> None:
    one = machine("one")
    text = add(one)
    assert found(one, text)
    place, _, name = str(one.file).rpartition("/")
    bucket = Bucket(place)
    assert bucket.swap(name, b"{", bucket.read(name))
    assert found(one, text)
    bucket.remove(name)

    assert not found(one, text)
    assert one.need_keys


def test_change_when_another_was_faster_is_made_of_what_is_there_now(
    machine: Callable[[str], Callers],
) -> None:
    one, other = machine("one").file, machine("two").file
    keys = [make_key(name)[1] for name in ("ana", "rui")]

    def late(before: tuple[object, ...]) -> tuple[object, ...]:
        if not before:
            other.add(keys[1])
        return (*before, keys[0])

    one.change(late)  # type: ignore[arg-type]

    assert keys[::-1] == [*one.read()]


def test_copy_when_it_is_a_link_is_not_followed(
    machine: Callable[[str], Callers], tmp_path: Path
) -> None:
    one = machine("one")
    text = add(one)
    target = tmp_path / "other.json"
    one.file.path.parent.mkdir(mode=0o700)
    one.file.path.symlink_to(target)

    assert not found(one, text)
    assert not target.exists()
    assert [] == [*KeyFile(target).read()]
    one.file.path.unlink()
    assert found(one, text)
