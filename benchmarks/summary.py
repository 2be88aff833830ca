"""Medians over the rounds, and ratios between contenders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.measuring import Floor, LogShare, Round, Window


@dataclass(frozen=True)
class Figures:
    """What a contender did: medians over its rounds, failures added up.

    Attributes
    ----------
    bulk : float
        Rows per second in the best way.
    bulk_way : str
        Its title.
    """

    cold_start: float
    memory: float
    few: Window
    more: Window
    bulk: float
    bulk_way: str
    failures: int


@dataclass(frozen=True)
class Ratios:
    """How many times better this service is than another; below 1 it is worse.

    Attributes
    ----------
    few, more : float
        Requests per second, ours by theirs.
    cpu : float
        CPU per request at one connection, theirs by ours.
    p99 : float
        At the larger number of connections, theirs by ours.
    bulk : float
        Rows per second, ours by theirs.
    """

    few: float
    more: float
    cpu: float
    p99: float
    bulk: float


def summarise(rounds: Sequence[Round]) -> Figures:
    """Give the medians of a contender's rounds, of which there is at least one."""
    way = best_way(rounds[0])
    return Figures(
        cold_start=median(one.cold_start for one in rounds),
        memory=median(one.memory for one in rounds),
        few=_window([one.few for one in rounds]),
        more=_window([one.more for one in rounds]),
        bulk=median(one.bulk[way] for one in rounds),
        bulk_way=way,
        failures=sum(one.few.failures + one.more.failures + one.bulk_failures for one in rounds),
    )


def best_way(one: Round) -> str:
    """Give the title of the way with the most rows per second."""
    return max(one.bulk, key=lambda title: one.bulk[title])


def compare(ours: Sequence[Round], theirs: Sequence[Round]) -> Ratios:
    """Give the medians of the ratios within each round.

    Two figures of one round were measured minutes apart at most, so that a
    machine that slows down between rounds bends them alike.
    """
    our_way, their_way = best_way(ours[0]), best_way(theirs[0])

    def of(ratio: Callable[[Round, Round], float]) -> float:
        return median(ratio(one, other) for one, other in zip(ours, theirs, strict=True))

    return Ratios(
        few=of(lambda one, other: _divide(one.few.rate, other.few.rate)),
        more=of(lambda one, other: _divide(one.more.rate, other.more.rate)),
        cpu=of(lambda one, other: _divide(other.few.cpu, one.few.cpu)),
        p99=of(lambda one, other: _divide(other.more.p99, one.more.p99)),
        bulk=of(lambda one, other: _divide(one.bulk[our_way], other.bulk[their_way])),
    )


def lowest(floors: Sequence[Floor]) -> Floor:
    """Give the medians of what cannot be saved."""
    return Floor(
        constant_cpu=median(one.constant_cpu for one in floors),
        one=median(one.one for one in floors),
        one_cpu=median(one.one_cpu for one in floors),
        session_one=median(one.session_one for one in floors),
        many=median(one.many for one in floors),
        session_many=median(one.session_many for one in floors),
    )


def middle(shares: Sequence[LogShare]) -> LogShare:
    """Return the medians of what is left with a prediction log."""
    return LogShare(median(one.few for one in shares), median(one.more for one in shares))


def _window(windows: Sequence[Window]) -> Window:
    return Window(
        rate=median(one.rate for one in windows),
        p50=median(one.p50 for one in windows),
        p99=median(one.p99 for one in windows),
        cpu=median(one.cpu for one in windows),
        failures=sum(one.failures for one in windows),
    )


def _divide(one: float, other: float) -> float:
    return one / other if other else float("inf")
