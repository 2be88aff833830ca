"""What happens to the store: promotions, poison, trials, trainers."""

import random
import time
from typing import Any

from engine.runtime.loading import check_version
from persistence.promotions import Candidate, Pointer, now, version_before
from tests.chaos.scene import VERSIONS, Fault, Scene, Skipped
from tests.chaos.versions import NAME, right_answers

#: Versions that trainers have published and that stay; older ones are promoted no more.
MOST_PUBLISHED = 10


def _promote(scene: Scene, *, pick: float) -> None:
    scene.promote(scene.other(pick))


def _roll_back(scene: Scene) -> None:
    promotions = scene.store.pointer(NAME).promotions
    version, _ = version_before(promotions, scene.good)
    scene.promote(version or scene.other(0), is_rollback=True)


def _poison(scene: Scene, *, what: str, seconds: float, is_rolled_back: bool) -> None:
    """Promote what no command would; the version before it goes on."""
    scene.store.promote(NAME, scene.poisoned[what])
    time.sleep(seconds)
    if is_rolled_back:
        _roll_back(scene)
    else:
        _promote(scene, pick=0)


def _tear(scene: Scene, *, seconds: float, share: float) -> None:
    """Damage the pointer for a while; then write a good one."""
    if not scene.whole.acquire(blocking=False):
        raise Skipped
    try:
        scene.place.spoil(
            f"{NAME}/promoted.json", lambda content: content[: int(share * len(content))]
        )
        time.sleep(seconds)
        scene.promote(scene.other(share))
    finally:
        scene.whole.release()


def _try_out(
    scene: Scene, *, mode: str, pick: float, share: float, by: str, seconds: float, ending: str
) -> None:
    """Try a version of the same schema beside the promoted one, then promote it or end that."""
    promoted = scene.oracle.promotions[-1].version
    alike = [one for one in scene.good if scene.schema(one) == scene.schema(promoted)]
    candidate = Candidate(scene.other(pick, alike), mode, share, by, now())
    if mode == "canary":
        began = time.monotonic()
        scene.oracle.try_beside(candidate.version, began, began + seconds + 10)

    def begin(known: Pointer | None) -> Pointer:
        assert known
        return known._replace(candidate=candidate)

    def end(known: Pointer | None) -> Pointer:
        assert known
        return known.promote(known.version)

    scene.store.change(NAME, begin)
    time.sleep(seconds)
    if ending == "promote":
        scene.promote(candidate.version)
    else:
        scene.store.change(NAME, end)


def _publish(scene: Scene, *, trainers: int) -> None:
    """Let trainers publish at once; the new versions may be promoted from now on."""
    before = {*scene.place.store().versions(NAME)}
    found = scene.trainers.publish(trainers)
    new = {*scene.place.store().versions(NAME)} - before
    assert len(new) == trainers and {*found} == new, f"said {found}, stored {new}"
    for version in found:
        trouble = check_version(scene.store, NAME, version)
        assert trouble is None, f"{version} is torn: {trouble}"
        scene.oracle.known[version] = right_answers(scene.store, version)
        scene.good.append(version)
    scene.good = [*scene.good[:VERSIONS], *scene.good[VERSIONS:][-MOST_PUBLISHED:]]


def _crash(scene: Scene, *, step: int) -> None:
    """Kill a trainer while it publishes: its version is whole, or is not there."""
    before = {*scene.place.store().versions(NAME)}
    scene.trainers.crash(step)
    for version in {*scene.place.store().versions(NAME)} - before:
        trouble = check_version(scene.store, NAME, version)
        assert trouble is None, f"{version} is torn: {trouble}"


def _draw_pick(draw: random.Random) -> dict[str, Any]:
    return {"pick": round(draw.random(), 3)}


def _draw_poison(draw: random.Random) -> dict[str, Any]:
    kinds = ("a flipped byte", "a wrong example", "half a file")
    return {
        "what": draw.choice(kinds),
        "seconds": round(draw.uniform(0.5, 2.5), 1),
        "is_rolled_back": draw.random() < 0.5,
    }


def _draw_torn(draw: random.Random) -> dict[str, Any]:
    return {"seconds": round(draw.uniform(0.2, 1.5), 1), "share": round(draw.random(), 2)}


def _draw_trial(mode: str, draw: random.Random) -> dict[str, Any]:
    return {
        "mode": mode,
        "pick": round(draw.random(), 3),
        "share": round(draw.uniform(0.1, 0.9), 2),
        "by": draw.choice(("caller", "request")),
        "seconds": round(draw.uniform(0.5, 3.5), 1),
        "ending": draw.choice(("promote", "end")),
    }


FAULTS = (
    Fault("promote", _promote, _draw_pick, 10),
    Fault("roll back", _roll_back, lambda draw: {}, 3),
    Fault("poisoned version", _poison, _draw_poison, 2),
    Fault("torn pointer", _tear, _draw_torn, is_blinding=True),
    Fault("canary", _try_out, lambda draw: _draw_trial("canary", draw)),
    Fault("shadow", _try_out, lambda draw: _draw_trial("shadow", draw)),
    Fault("two trainers", _publish, lambda draw: {"trainers": draw.randint(2, 3)}),
    Fault("killed trainer", _crash, lambda draw: {"step": draw.randint(1, 12)}),
)
