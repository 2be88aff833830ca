"""Proofs that take longer than a test may: ``python -m tests.deploy.rehearsals``.

Each module of this folder is one rehearsal. Its ``rehearse()`` does for real, on this machine, what
a page of docs/how-to tells, and returns what it has seen.
"""

from dataclasses import dataclass

#: The README's record of credit, and what it shows as its answer.
RECORD = {
    "seniority": 9, "home": "rent", "time": 60, "age": 30, "marital": "married", "records": False,
    "job": "freelance", "expenses": 73, "income": 129, "assets": 0, "debt": 0, "amount": 800,
    "price": 846,
}  # fmt: skip
PROBABILITY = 0.7909360091432259


class Absent(Exception):
    """This machine lacks what the rehearsal needs; the text names it and how to get it."""


@dataclass(frozen=True)
class Proof:
    """What one rehearsal has shown; a figure that it has not measured is None.

    Attributes
    ----------
    platform, proof
        Where, and what was done there, each in a few words.
    seconds
        How long it took.
    size_mb, memory_mb
        What the platform stores (image, slug or archive), and the most memory that it took.
    requests, lost
        How many requests were sent, and how many of them got no answer or a wrong one.
    """

    platform: str
    proof: str
    seconds: float
    size_mb: float | None = None
    memory_mb: float | None = None
    requests: int | None = None
    lost: int | None = None
