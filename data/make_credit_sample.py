"""Make the sample of credit applications that the repository ships.

Every applicant is invented: the columns are those of the real data set, the
figures are drawn from simple distributions with a fixed seed, and the status
follows from a rule plus chance. Nothing is taken from real rows.

    python data/make_credit_sample.py > data/credit_sample.csv
"""

import csv
import math
import random
import sys
from typing import Any, TextIO

ROWS = 1500
SEED = 2019

HEADER = [
    "Status", "Seniority", "Home", "Time", "Age", "Marital", "Records", "Job",
    "Expenses", "Income", "Assets", "Debt", "Amount", "Price",
]  # fmt: skip


def make_applicant(draw: random.Random) -> dict[str, Any]:
    """Invent one applicant, gaps included."""
    age = min(68, max(18, round(draw.gauss(37, 11))))
    seniority = min(age - 17, round(draw.expovariate(1 / 8)))
    marital = _pick(draw, married=73, single=22, separated=3, widow=1.2, divorced=0.8)
    home = _pick(draw, owner=47, rent=22, parents=18, other=7, priv=5, ignore=1)
    job = _pick(draw, fixed=63, freelance=23, partime=10, others=4)
    records = _pick(draw, no=83, yes=17)
    income = max(6, round(draw.lognormvariate(4.8 if job == "fixed" else 4.6, 0.5)))
    price = max(105, round(draw.lognormvariate(7.2, 0.45)))
    amount = max(100, 25 * round(price * draw.betavariate(5, 2) / 25))
    assets = 500 * round(draw.expovariate(1 / 12)) if home in ("owner", "parents") else 0
    debt = 100 * round(draw.expovariate(1 / 20)) if draw.random() < 0.17 else 0
    time = draw.choices((12, 24, 36, 48, 60), (4, 10, 16, 20, 50))[0]
    expenses = 35 + round(draw.expovariate(1 / 20)) + (15 if marital == "married" else 0)
    spare = (income - expenses - amount / time) / 60
    liking = 0.2 + 0.09 * seniority + 0.8 * spare - 1.6 * amount / price
    liking += 0.5 * (home == "owner") + 0.00004 * assets - 0.0002 * debt
    liking -= 1.9 * (records == "yes") + 1.1 * (job == "partime")
    is_good = draw.random() < 1 / (1 + math.exp(-liking - 0.8))
    return {
        "Status": "good" if is_good else "bad",
        "Seniority": seniority,
        "Home": "" if draw.random() < 0.002 else home,
        "Time": time,
        "Age": age,
        "Marital": "" if draw.random() < 0.001 else marital,
        "Records": records,
        "Job": "" if draw.random() < 0.001 else job,
        "Expenses": expenses,
        "Income": "" if draw.random() < 0.085 else income,
        "Assets": "" if draw.random() < 0.01 else assets,
        "Debt": "" if draw.random() < 0.004 else debt,
        "Amount": amount,
        "Price": price,
    }


def write_sample(out: TextIO) -> None:
    """Write the whole sample as CSV; the same bytes every time."""
    draw = random.Random(SEED)
    writer = csv.DictWriter(out, HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows(make_applicant(draw) for _ in range(ROWS))


def _pick(draw: random.Random, **weights: float) -> str:
    return draw.choices(list(weights), list(weights.values()))[0]


if __name__ == "__main__":
    write_sample(sys.stdout)
