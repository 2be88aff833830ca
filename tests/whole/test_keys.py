"""Keys of a running service, whatever becomes of their file and of its workers."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from persistence.api_keys import KeyFile
from persistence.model_persistence import ModelStore
from tests.api.middleware.test_auth import add
from tests.support.rounds import has_ended
from tests.support.serving import Server, running, wait_until
from tests.whole.test_gunicorn_upgrades import SCRIPT, successor


def ask(server: Server, text: str) -> int:
    return server.ask("/v0/models", **{"x-api-key": text})[0]


def kill_all_workers(server: Server) -> None:
    before = {*server.workers()}
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len({*server.workers()} - before) == 2, "new workers")
    wait_until(lambda: server.answers("/livez"), "an answer")


@pytest.mark.slow
def test_server_when_its_keys_are_damaged_or_deleted_and_its_workers_die_lets_nobody_in(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    file = KeyFile(tmp_path / "keys.json")
    with running(
        tmp_path, model_store=toy_store.root, default_model="parcel", keys_file=file.path
    ) as server:
        assert 200 == ask(server, "")
        stays, removed = add(file, "stays"), add(file, "removed")
        wait_until(lambda: 200 == ask(server, removed), "the key is valid")
        file.remove(removed[:8])
        wait_until(lambda: 401 == ask(server, removed), "the key is gone")

        os.truncate(file.path, 100)  # seen without a request
        wait_until(lambda: "were read before stay" in server.log.read_text(), "a look at the file")
        kill_all_workers(server)
        assert [401, 401, 200] == [ask(server, text) for text in ("", removed, stays)]

        file.path.unlink()
        wait_until(lambda: "no key is valid" in server.log.read_text(), "a look at the file")
        kill_all_workers(server)
        assert [401, 401, 401] == [ask(server, text) for text in ("", removed, stays)]

        old = {*server.workers()}
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not old & {*server.workers()}, "only new workers")
        wait_until(lambda: server.answers("/livez"), "an answer")
        assert [401] * 4 == [ask(server, "") for _ in range(4)]


@pytest.mark.slow
def test_server_when_another_takes_over_asks_for_a_key_all_the_same(
    toy_store: ModelStore, tmp_path: Path
) -> None:
    file = KeyFile(tmp_path / "keys.json")
    with running(
        tmp_path, model_store=toy_store.root, default_model="parcel", keys_file=file.path,
        command=SCRIPT,
    ) as server:  # fmt: skip
        add(file)
        wait_until(lambda: 401 == ask(server, ""), "a key is needed")
        file.path.unlink()
        wait_until(lambda: "no key is valid" in server.log.read_text(), "a look at the file")
        master = server.process.pid
        os.kill(master, signal.SIGUSR2)
        wait_until(lambda: successor(master) > 0, "a second master with workers")
        other = successor(master)
        try:
            os.kill(master, signal.SIGTERM)
            wait_until(partial(has_ended, master), "the end of the first master")

            assert 401 == ask(server, "")
        finally:
            os.kill(other, signal.SIGTERM)
        wait_until(partial(has_ended, other), "the end of the second master")
