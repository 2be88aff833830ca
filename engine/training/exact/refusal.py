"""Why a pipeline is not evaluated exactly."""


class NotExact(ValueError):
    """A pipeline has a part that the exact runtime does not evaluate: why, and what to change."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(f"{why}: {remedy}")
        self.why, self.remedy = why, remedy
