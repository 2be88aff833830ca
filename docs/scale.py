"""How many units of each platform a rate of requests takes, from measured CPU time.

`docs/generate.py` writes it into ``reference/capacity.md``.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

#: Requests per second that the page plans for.
RATE = 100_000

#: Of the computed cores, so that there is room for peaks and for restarts.
HEADROOM = 2.0


class Unit(NamedTuple):
    """What a platform rents: its name, how many cores it may use all the time, its memory."""

    platform: str
    name: str
    cores: float
    memory_mb: int


HEAD = ("Unit", "Cores", "Units without the log", "With the log", "Memory fits")

#: Read on 30 November 2026; the page says where.
UNITS = (
    Unit("Heroku Fir", "dyno-2c-4gb", 2, 4096),
    Unit("Heroku Fir", "dyno-8c-16gb", 8, 16_384),
    Unit("Fargate", "0.25 vCPU", 0.25, 512),
    Unit("Fargate", "4 vCPU", 4, 8192),
    Unit("Fargate", "16 vCPU", 16, 32_768),
    Unit("Fly.io", "shared-cpu-1x", 1 / 16, 256),
    Unit("Fly.io", "performance-2x", 2, 4096),
    Unit("Cloud Run", "2 vCPU", 2, 1024),
    Unit("Cloud Run", "8 vCPU", 8, 4096),
)


def cores_for(rate: float, micros: float) -> float:
    """Return the cores that so many requests per second keep busy, each of so many µs."""
    return rate * micros / 1e6


def units_for(cores: float, unit: Unit) -> int:
    """Return how many units have the cores, with headroom."""
    return math.ceil(HEADROOM * cores / unit.cores)


def databases_for(rate: float, stored: float) -> int:
    """Return how many databases store so many predictions per second, each so many."""
    return math.ceil(rate / stored)


def rows(plain: float, logged: float, memory_mb: float) -> Sequence[Sequence[str]]:
    """Return the rows of the page's table: units without and with the log, by µs per request."""
    found = []
    for unit in UNITS:
        counts = [units_for(cores_for(RATE, micros), unit) for micros in (plain, logged)]
        fits = "yes" if memory_mb <= unit.memory_mb else "no"
        name = f"{unit.platform}, {unit.name}"
        found.append((name, f"{unit.cores:g}", f"{counts[0]:,}", f"{counts[1]:,}", fits))
    return found


_SECTION = """\
## {rate} requests per second

Computed, not measured: the load generator shares the two cores of the machine here, so the
throughput of several replicas cannot be measured honestly. It assumes that a core of the
platform is as fast as one here, that requests are spread evenly, and that many connections keep
every replica busy, as in the second row of the first table.

- Without the log a request takes {plain} µs: {rate} times {plain} µs are {cores} cores.
- With the log it takes {appended} µs, and storing the prediction 1,000,000 / {stored} =
  {stored_micros} µs more, if the database and the process that stores take turns on a core, as
  one waits for the other: {logged_cores} cores. A part of them is the database's, elsewhere.
- Twice as many cores are planned for, rounded up to whole units.

{table}

Cores are those that a unit may use all the time: `shared-cpu-1x` has a sixteenth. A unit fits
if its memory is at least the {memory} MB of one replica of two workers, and of the process that
stores predictions. The sixteenth and the sizes of Fargate are read in the platforms'
documentation (30 November 2026); Heroku's and Cloud Run's cores are those in the unit's name.
No unit was tried.

A function on Lambda answers one request at a time: {rate} requests per second take {rate} times
the seconds of one invocation, so 200 at a time if one takes 2 ms. How long one takes there was
not measured.

### What is shared is the limit

- **The log.** One PostgreSQL stores {stored} predictions per second here, so {rate} take
  {databases} of them. Give each group of replicas its own `DATABASE_URL`. Or log a sample: with
  `PREDICTION_LOG=off` on nine replicas of ten, the log has a tenth of the requests, as the
  proxy draws them. Tables can be logged by their digest alone (`log_tables="file"` in the model
  file). What cannot be stored waits in the spool, up to `PREDICTION_SPOOL_BYTES` on each
  replica; then `PREDICTION_LOG_FULL` counts.
- **Redis.** A limited request takes one exchange with Redis (a transaction of two commands),
  one with an `Idempotency-Key` two. Threads answer both, which takes 45 and 61 times the CPU
  time of the event loop ([measured](../how-to/replicas.md#what-redis-costs)). At such rates, let
  the gateway limit.
- **The bucket.** Each replica requests a model's `promoted.json` and the keys once a second,
  however many requests it answers.
"""


def section(
    plain: str, appended: str, stored: str, memory: Sequence[str], table: Callable[..., str]
) -> str:
    """Return the section of the page; the figures, such as ``12 MB``, as the page has them."""
    per_second = float(stored.replace(",", ""))
    logged = total_micros(appended, per_second)
    memory_mb = sum(float(each.split()[0]) for each in memory)
    return _SECTION.format(
        rate=f"{RATE:,}", plain=plain, appended=appended, stored=stored,
        cores=f"{cores_for(RATE, float(plain)):.1f}",
        stored_micros=f"{1e6 / per_second:.0f}", logged_cores=f"{cores_for(RATE, logged):.1f}",
        memory=f"{memory_mb:.0f}", databases=databases_for(RATE, per_second),
        table=table(HEAD, rows(float(plain), logged, memory_mb)).strip(),
    )  # fmt: skip


def total_micros(appended: str, per_second: float) -> float:
    """Return the µs of a logged request: until it is answered, and until it is stored."""
    return float(appended) + 1e6 / per_second
