"""Which keys are valid, whatever becomes of their file and whichever process is asked."""

import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from persistence import api_keys, callers
from persistence.api_keys import InvalidKeys, KeyFile, make_key
from persistence.callers import Callers


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys" / "keys.json")


def add(file: KeyFile, name: str = "somebody") -> str:
    text, key = make_key(name)
    file.add(key)
    return text


def in_new_worker(work: Callable[[], Any]) -> Any:
    """Return what a process finds that is forked now."""
    fork = multiprocessing.get_context("fork")
    ours, its = fork.Pipe()
    child = fork.Process(target=lambda: its.send(work()))
    child.start()
    assert ours.poll(60)
    found = ours.recv()
    child.join()
    return found


def look(service: Callers, text: str) -> tuple[bool, bool]:
    """Look at the file; return whether a key is needed, and whether one is valid."""
    service.look()
    return service.need_keys, service.find(text) is not None


def truncate(file: KeyFile) -> None:
    os.truncate(file.path, file.path.stat().st_size // 2)


def empty(file: KeyFile) -> None:
    file.path.write_bytes(b"")


def replace_by_folder(file: KeyFile) -> None:
    file.path.unlink()
    file.path.mkdir()


def replace_by_loop(file: KeyFile) -> None:
    file.path.unlink()
    file.path.symlink_to(file.path)


def replace_by_pipe(file: KeyFile) -> None:
    file.path.unlink()
    os.mkfifo(file.path)


def replace_folder_by_file(file: KeyFile) -> None:
    shutil.rmtree(file.path.parent)
    file.path.parent.write_text("")


def take_permission(file: KeyFile) -> None:
    file.path.chmod(0)


def make_huge(file: KeyFile) -> None:
    os.truncate(file.path, 2**40)


def fill_with_another_format(file: KeyFile) -> None:
    file.path.write_text('{"format": 2, "keys": []}')


DAMAGES = [
    truncate, empty, replace_by_folder, replace_by_loop, replace_by_pipe, replace_folder_by_file,
    make_huge, fill_with_another_format,
    *([] if os.geteuid() == 0 else [take_permission]),  # root reads it anyway
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_removed_key_when_the_file_is_damaged_afterwards_stays_removed_in_a_new_worker(
    file: KeyFile, damage: Callable[[KeyFile], None]
) -> None:
    stays, removed = add(file, "stays"), add(file, "removed")
    master = Callers(file.path)
    assert (True, True) == look(master, removed)

    file.remove(removed[:8])
    in_new_worker(master.look)  # a worker has seen it, the master has not
    damage(file)

    assert (True, False) == in_new_worker(lambda: look(master, removed))
    assert (True, True) == in_new_worker(lambda: look(master, stays))


def delete(file: KeyFile) -> None:
    file.path.unlink()


def delete_folder(file: KeyFile) -> None:
    shutil.rmtree(file.path.parent)


@pytest.mark.parametrize("damage", [*DAMAGES, delete, delete_folder])
def test_key_when_there_was_one_is_needed_for_good(
    file: KeyFile, damage: Callable[[KeyFile], None]
) -> None:
    master = Callers(file.path)
    assert not master.need_keys

    text = add(file)
    in_new_worker(master.look)
    damage(file)

    is_deleted = damage in (delete, delete_folder)
    assert (True, not is_deleted) == in_new_worker(lambda: look(master, text))
    assert (True, False) == in_new_worker(lambda: look(master, "another"))
    if damage is not replace_folder_by_file:
        shutil.rmtree(file.path.parent, ignore_errors=True)
        assert (True, False) == look(master, text)


@pytest.mark.parametrize("damage", [replace_by_folder, replace_by_loop, replace_by_pipe])
def test_key_when_what_is_there_at_the_start_is_no_file_is_needed(
    file: KeyFile, damage: Callable[[KeyFile], None]
) -> None:
    add(file)
    damage(file)

    assert Callers(file.path).need_keys


def test_file_when_cut_off_anywhere_lets_in_the_same_callers(file: KeyFile) -> None:
    text, removed = add(file), add(file, "removed")
    service = Callers(file.path)
    file.remove(removed[:8])
    service.look()
    whole = file.path.read_bytes()

    for length in range(len(whole) + 1):
        file.path.write_bytes(whole[:length])
        assert (True, True) == look(service, text)
        assert (True, False) == look(service, removed)


def test_file_when_changed_without_a_new_time_or_size_is_read_again(
    file: KeyFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "_SETTLED_SECONDS", -1)
    other = KeyFile(tmp_path / "other" / "keys.json")
    text, text_of_other = add(file), add(other)
    service = Callers(file.path)
    before = after = file.path.stat()

    while before.st_ctime_ns == after.st_ctime_ns:  # the clock of the disk ticks slowly
        file.path.write_bytes(other.path.read_bytes())
        os.utime(file.path, ns=(before.st_atime_ns, before.st_mtime_ns))
        after = file.path.stat()

    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    assert (True, False) == look(service, text)
    assert (True, True) == look(service, text_of_other)


def test_file_when_changed_within_one_tick_of_the_clock_of_the_disk_is_read_again(
    file: KeyFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = KeyFile(tmp_path / "other" / "keys.json")
    text, text_of_other = add(file), add(other)
    service = Callers(file.path)
    stamp = callers._stamp_of(file.path)
    assert stamp
    assert not stamp.is_settled

    file.path.write_bytes(other.path.read_bytes())
    monkeypatch.setattr(callers, "_stamp_of", lambda _: stamp)  # as if it were the same tick

    assert (True, False) == look(service, text)
    assert (True, True) == look(service, text_of_other)


def test_change_when_one_process_sees_it_is_seen_by_all_at_their_next_request(
    file: KeyFile,
) -> None:
    text = add(file)
    service = Callers(file.path)
    assert service.find(text)

    file.remove(text[:8])
    in_new_worker(service.look)

    assert service.find(text) is None  # without a look of its own: no second has passed


def test_file_when_two_writers_take_turns_is_read_whole(file: KeyFile) -> None:
    stays = add(file, "stays")
    service = Callers(file.path)
    fork = multiprocessing.get_context("fork")

    def write() -> None:
        for _ in range(20):
            file.remove(add(file, "comes and goes")[:8])

    writers = [fork.Process(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert (True, True) == look(service, stays)

    assert [("stays")] == [key.name for key in file.read()]


def test_service_when_it_takes_over_knows_what_the_one_before_knew(
    file: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Callers(file.path)
    add(file)
    before.look()
    file.path.unlink()
    before.look()
    environment: dict[str, str] = {}

    before.hand_on(environment)
    for name, descriptor in environment.items():
        monkeypatch.setenv(name, str(os.dup(int(descriptor))))

    assert Callers(file.path).need_keys
    assert not environment.keys() & os.environ.keys()
    assert not Callers(file.path).need_keys


def test_file_when_it_would_be_too_long_to_be_read_is_not_written(
    file: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(file)
    monkeypatch.setattr(api_keys, "MOST_BYTES", file.path.stat().st_size + 10)

    with pytest.raises(InvalidKeys, match="remove keys that have expired"):
        add(file)

    assert 1 == len(file.read())


def test_file_when_it_is_a_link_as_in_a_mounted_volume_is_followed(
    file: KeyFile, tmp_path: Path
) -> None:
    text = add(file)
    link = tmp_path / "keys.json"
    link.symlink_to(file.path)

    assert Callers(link).find(text)
