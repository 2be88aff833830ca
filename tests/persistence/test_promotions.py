"""What is promoted and what was before: one file, whole at any time."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from persistence.model_persistence import ModelStore
from persistence.names import VERSION, VERSION_NAME
from persistence.promotions import (
    MOST_REMEMBERED,
    Promotion,
    PromotionConflict,
    removed_in,
    version_before,
    versions_before,
)
from persistence.store_errors import UntrustedArtifact
from tests.support.project import ROOT

VERSIONS = [f"2020010{day}T000000Z-{day:05x}" for day in range(1, 9)]
A, B, C, D = VERSIONS[:4]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A store in which versions are only names."""
    for version in VERSIONS:
        folder = tmp_path / "toy" / version
        folder.mkdir(parents=True)
        (folder / "card.json").write_text("{}")
    return ModelStore(tmp_path)


def pointer(store: ModelStore) -> Path:
    return store.root / "toy" / "promoted.json"


def roll_back(store: ModelStore) -> str | None:
    version, _ = version_before(store.pointer("toy").promotions, store.versions("toy"))
    if version is not None:
        store.promote("toy", version, is_rollback=True)
    return version


def test_promotions_when_made_are_remembered_in_order_with_their_time(store: ModelStore) -> None:
    for version in (B, A, C):
        store.promote("toy", version)

    assert [B, A, C] == [one.version for one in store.pointer("toy").promotions]
    assert all(str(one.at).endswith("+00:00") for one in store.pointer("toy").promotions)
    assert C == store.promoted("toy") == json.loads(pointer(store).read_bytes())["version"]


def test_promotion_when_it_is_promoted_already_changes_nothing(store: ModelStore) -> None:
    store.promote("toy", A)
    before = pointer(store).read_bytes()

    store.promote("toy", A)

    assert before == pointer(store).read_bytes()


def test_promotions_when_there_are_many_are_the_last_ones(store: ModelStore) -> None:
    for turn in range(MOST_REMEMBERED + 5):
        store.promote("toy", VERSIONS[turn % 2])

    assert MOST_REMEMBERED == len(store.pointer("toy").promotions)
    assert A == store.promoted("toy") == store.pointer("toy").promotions[-1].version


def test_rollback_when_repeated_goes_further_back_and_not_forth(store: ModelStore) -> None:
    for version in (B, A, C):
        store.promote("toy", version)

    assert [A, B, None] == [roll_back(store), roll_back(store), roll_back(store)]
    assert [False, False, False, True, True] == [
        o.is_rollback for o in store.pointer("toy").promotions
    ]


def test_rollback_when_something_was_promoted_since_undoes_that(store: ModelStore) -> None:
    for version in (A, B, C):
        store.promote("toy", version)
    roll_back(store)
    store.promote("toy", D)

    assert [B, A] == [roll_back(store), roll_back(store)]


def test_rollback_when_the_version_before_is_gone_passes_it_over(store: ModelStore) -> None:
    for version in (A, B, C):
        store.promote("toy", version)
    (store.root / "toy" / B / "card.json").unlink()

    assert [A, None] == [roll_back(store), roll_back(store)]


def test_store_when_of_before_this_guesses_the_newest_older_version(store: ModelStore) -> None:
    pointer(store).write_text(json.dumps({"version": C}))

    assert (B, False) == version_before(store.pointer("toy").promotions, store.versions("toy"))
    store.promote("toy", D)
    assert [(C, None), (D, "some")] == [
        (one.version, one.at and "some") for one in store.pointer("toy").promotions
    ]
    assert [C, B] == [roll_back(store), roll_back(store)]


def test_rollback_when_a_hand_wrote_the_pointer_goes_to_what_was_promoted_before() -> None:
    promotions = [Promotion(A, "then"), Promotion(B, "later"), Promotion(D, None)]

    assert (B, True) == version_before(promotions, VERSIONS)


def test_rollback_when_it_has_to_guess_never_leads_to_the_promoted_version() -> None:
    promotions = [Promotion(C, None), Promotion(B, "then")]

    assert (A, False) == version_before(promotions, [A, B])


@pytest.mark.parametrize(
    "promotions", ["{", "[1]", '[{"version": 1}]', "7", '{"a": 1}', "[" * 10_000]
)
def test_promotions_when_damaged_are_named_and_a_promotion_mends_them(
    store: ModelStore, promotions: str
) -> None:
    pointer(store).write_text(f'{{"version": "{A}", "promotions": {promotions}}}')

    with pytest.raises(UntrustedArtifact, match="damaged"):
        store.pointer("toy")
    store.promote("toy", B)
    assert [B] == [one.version for one in store.pointer("toy").promotions]


def test_promotions_when_made_at_once_are_all_remembered(store: ModelStore) -> None:
    with ThreadPoolExecutor(len(VERSIONS)) as pool:
        list(pool.map(lambda version: store.promote("toy", version), VERSIONS))

    assert sorted(VERSIONS) == sorted(one.version for one in store.pointer("toy").promotions)


PROMOTE = """
import sys
from pathlib import Path
from persistence.model_persistence import ModelStore
store, is_said = ModelStore(Path(sys.argv[1])), False
while True:
    for version in sys.argv[2:]:
        store.promote("toy", version)
        is_said or print("promoted", flush=True)
        is_said = True
"""


def promoting(store: ModelStore, *versions: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PROMOTE, str(store.root), *versions]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_promotion_when_killed_leaves_a_whole_pointer(store: ModelStore) -> None:
    for _ in range(3):
        promoters = [promoting(store, A, B), promoting(store, C, D)]
        for one in promoters:
            assert one.stdout
            assert "promoted\n" == one.stdout.readline()
        for _ in range(100):
            promotions = json.loads(pointer(store).read_bytes())["promotions"]
            assert all(set(one) == {"version", "at", "rollback"} for one in promotions)
            assert store.pointer("toy").promotions[-1].version in (A, B, C, D)
        for one in promoters:
            one.kill()
            one.communicate()
        assert store.promoted("toy") == store.pointer("toy").promotions[-1].version

    store.promote("toy", VERSIONS[7])
    assert VERSIONS[7] == store.promoted("toy")


def test_promotion_when_the_disk_is_full_keeps_the_one_before(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.promote("toy", A)
    before = pointer(store).read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        store.promote("toy", B)

    assert before == pointer(store).read_bytes()


def test_versions_before_when_one_was_rolled_back_leave_it_out() -> None:
    promotions = [
        Promotion(A, "first"), Promotion(B, "then"), Promotion(C, "later"),
        Promotion(B, "back", is_rollback=True), Promotion(D, "at last"),
    ]  # fmt: skip

    assert [B, A] == versions_before(promotions, VERSIONS)
    assert [A] == versions_before(promotions, [A, C, D])
    assert [] == versions_before(promotions[:1], VERSIONS)


def test_versions_before_when_nobody_wrote_them_down_are_the_older_ones() -> None:
    assert [C, B, A] == versions_before([Promotion(D, None)], VERSIONS)


def test_name_when_given_stays_with_its_version_whatever_happens(store: ModelStore) -> None:
    store.promote("toy", A)
    store.give_name("toy", B, "v2")
    store.give_name("toy", B, "v2")  # once more, as after an answer that was lost
    store.promote("toy", C)
    store.change("toy", lambda found: removed_in(found, B, VERSIONS))

    assert ("v2", None) == (store.pointer("toy").name_of(B), store.pointer("toy").name_of(C))
    assert [B, A, "v3"] == [store.identifier("toy", text) for text in ("v2", A, "v3")]
    with pytest.raises(PromotionConflict, match=f"{C} is stored without a name: v2 .* of {B}"):
        store.give_name("toy", C, "v2")
    assert {"v2": B} == store.pointer("toy").named


def test_name_when_nothing_is_promoted_is_refused(store: ModelStore) -> None:
    with pytest.raises(PromotionConflict, match="nothing is promoted"):
        store.give_name("toy", A, "v1")
    assert "v1" == store.identifier("toy", "v1")


@pytest.mark.parametrize("text", ["../toy", "V2", "", ".v", "v" * 33, "v 2", "v/2", "v2\n"])
def test_name_when_it_is_none_is_never_looked_up(store: ModelStore, text: str) -> None:
    pointer(store).write_text("damaged, so nobody has read it")

    assert text == store.identifier("toy", text)


@pytest.mark.parametrize("version", VERSIONS)
def test_identifier_is_never_a_name(version: str) -> None:
    assert VERSION.fullmatch(version) and not VERSION_NAME.fullmatch(version)
