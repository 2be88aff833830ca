"""The memory that connections may take."""

from typing import Protocol


class Holder(Protocol):
    """What holds bytes, and the budget in which they are counted."""

    held: int
    budget: "Budget | None"


class Budget:
    """Bytes that connections hold, at most so many."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0

    def has_room(self, holder: Holder, size: int) -> bool:
        """Return whether a connection may hold so many bytes."""
        own = holder.held if holder.budget is self else 0
        return self.used - own + size <= self.most

    def count(self, holder: Holder, size: int) -> None:
        """Count what a connection holds now, here and nowhere else."""
        release(holder)
        holder.budget, holder.held = self, size
        self.used += size


def release(holder: Holder) -> None:
    """Count nothing of a connection any more."""
    if holder.budget is not None:
        holder.budget.used -= holder.held
        holder.budget, holder.held = None, 0
