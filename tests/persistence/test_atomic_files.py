"""Files that are replaced whole, and locks that keep others out."""

import threading
from pathlib import Path

import pytest

from persistence.atomic_files import locked, replace_file, replacing


def test_file_when_its_writer_fails_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    replace_file(path, b"old")

    def fail() -> None:
        with replacing(path, tmp_path / ".draft") as file:
            file.write(b"ne")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail()

    assert b"old" == path.read_bytes()
    assert [path] == [*tmp_path.iterdir()]


def test_file_when_a_link_lies_where_its_draft_goes_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"untouched")
    (tmp_path / ".keys.json").symlink_to(tmp_path / "elsewhere")

    replace_file(tmp_path / "keys.json", b"new", mode=0o600)

    assert b"untouched" == (tmp_path / "elsewhere").read_bytes()
    assert b"new" == (tmp_path / "keys.json").read_bytes()
    assert 0o600 == (tmp_path / "keys.json").stat().st_mode & 0o777


def test_lock_when_another_has_it_is_given_up_in_time_or_waited_for(tmp_path: Path) -> None:
    is_ours: list[bool] = []

    def wait() -> None:
        with locked(tmp_path) as given:
            is_ours.append(given)

    with locked(tmp_path) as first:
        with locked(tmp_path, seconds=0) as at_once, locked(tmp_path, seconds=0.05) as in_time:
            assert (True, False, False) == (first, at_once, in_time)
        thread = threading.Thread(target=wait)
        thread.start()
        assert [] == is_ours
    thread.join()

    assert [True] == is_ours
