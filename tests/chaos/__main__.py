"""Run faults at random under load: ``python -m tests.chaos --seconds 60 --seed 1``."""

import argparse
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from engine.training.train import train
from tests.chaos import report, schedule
from tests.chaos.places import PLACES
from tests.chaos.scene import Scene
from tests.support.models import in_silence
from tests.support.project import ROOT
from tests.support.toys import parcel

KEPT = ROOT / ".bench/chaos.json"


def main(arguments: list[str] | None = None) -> int:
    """Run, print, and keep what is needed to run it again; 1 when anything was lost or wrong."""
    options = _parser().parse_args(arguments)
    seconds = 60 * options.minutes or options.seconds
    events = schedule.draw(options.seed, seconds, has_bucket=options.store == "bucket")
    if options.replay:
        events = schedule.read(options.replay)
    print(f"seed {options.seed}, {seconds:g} s, {len(events)} faults", flush=True)
    card = train("parcel", parcel.definition, parcel.definition.sample, step=in_silence).card
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    with (
        PLACES[options.store](folder) as place,
        closing(Scene(folder, place, card, rate=options.rate, seed=options.seed)) as scene,
    ):
        scene.begin()
        before = scene.sizes()
        happened = schedule.play(scene, events, seconds)
        after = scene.sizes()
        scene.end()
    trouble = report.troubles(scene, happened)
    oddities = report.oddities(scene, happened)
    schedule.write(
        KEPT, events, seed=options.seed, seconds=seconds, trouble=trouble, oddities=oddities,
        happened=[one._asdict() for one in happened],
    )  # fmt: skip
    print(report.write(scene, happened))
    print(f"a service at the start: {before}\na service at the end:   {after}")
    print("\n".join([*trouble[:30], *oddities[:30]]))
    print(f"again: make chaos args='--replay {KEPT.relative_to(ROOT)}'; logs: {folder}")
    return 1 if trouble else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Faults at random under load.")
    parser.add_argument("--seconds", type=float, default=75)
    parser.add_argument("--minutes", type=float, default=0, help="instead of seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=[*PLACES], default="folder")
    parser.add_argument("--rate", type=float, default=120, help="requests per second")
    parser.add_argument("--replay", type=Path, help="the schedule of an earlier run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
