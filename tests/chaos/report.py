"""What a run says at its end: the table, the promises in figures, and what went wrong."""

from collections import Counter
from collections.abc import Sequence
from statistics import median

from tests.chaos import table
from tests.chaos.oracle import TRIED
from tests.chaos.scene import Happened, Scene


def write(scene: Scene, happened: Sequence[Happened]) -> str:
    """Give what is printed."""
    records, kills = scene.records(), [one.kills for one in scene.services]
    counts = Counter(table.outcomes(records, kills))
    late = [one.late for one in table.stragglers(records, scene.oracle.promotions, happened)]
    soon = sum(one <= table.PROMISED_SECONDS for one in late)
    killed = [kill for each in kills for kill in each]
    excused = Counter(table.excusing(one, kills) for one in records)
    most = max((excused[one] for one in killed), default=0)
    swaps = (
        f"{len(late)} swaps; the version before answered {_spread(late)} longer; "
        f"within {table.PROMISED_SECONDS:g} s: {soon}"
    )
    deaths = (
        f"{len(killed)} workers killed; at most {most} requests lost with one; "
        f"another was there after {_spread([one.back for one in killed])}"
    )
    tried = sum(one.verdict.detail == TRIED for one in records)
    counted = ", ".join(f"{count:,} {what}" for what, count in counts.most_common())
    counted += f"; {tried:,} by a version that was tried"
    found = table.rows(records, kills, happened)
    return "\n".join([table.write(found), "", counted, swaps, deaths])


def troubles(scene: Scene, happened: Sequence[Happened]) -> list[str]:
    """List all that must not have happened."""
    records, kills = scene.records(), [one.kills for one in scene.services]
    found = [
        f"{outcome}: {one.kind}, service {one.service}, sent {one.sent:.2f}, "
        f"done {one.done:.2f}: {one.verdict.detail}"
        for one, outcome in zip(records, table.outcomes(records, kills), strict=True)
        if outcome in ("lost", "wrong")
    ]
    found += [
        f"failed: {one.fault} {one.parameters} at {one.began:.2f}: {one.failure}"
        for one in happened
        if one.failure
    ]
    logs = [(one.log, one.log.read_text(errors="replace")) for one in scene.services]
    found += [f"a traceback in {log}" for log, text in logs if "Traceback" in text]
    return found


def oddities(scene: Scene, happened: Sequence[Happened]) -> list[str]:
    """List what is not as promised in time, which does not fail a run."""
    found = table.stragglers(scene.records(), scene.oracle.promotions, happened)
    return [
        f"late: {one.version} answered service {one.record.service}, sent {one.record.sent:.2f}, "
        f"{one.late:.2f} s after another was promoted"
        for one in found
        if one.record and one.late > table.PROMISED_SECONDS
    ]


def _spread(seconds: Sequence[float]) -> str:
    """Give the median and the most."""
    if not seconds:
        return "no time"
    return f"{median(seconds):.2f} s (at most {max(seconds):.2f} s)"
