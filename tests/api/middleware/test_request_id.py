"""The ids of requests, of which no two are equal."""

import multiprocessing

from engine.api.middleware.request_id import new_id, request_id


def test_id_when_made_is_32_digits_and_never_the_same() -> None:
    ids = [request_id("") for _ in range(1000)]

    assert 1000 == len({*ids})
    assert all(name == f"{int(name, 16):032x}" for name in ids)


def test_id_when_made_after_a_fork_is_none_that_the_parent_gives() -> None:
    new_id()  # so that some are ready
    with multiprocessing.get_context("fork").Pool(2) as pool:
        ids = [new_id(), *pool.map(request_id, [""] * 4, chunksize=2)]

    assert 5 == len({*ids})
