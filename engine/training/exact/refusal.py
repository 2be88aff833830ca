"""Why a pipeline is not evaluated exactly."""


class NotExact(ValueError):
    """A pipeline has a part that the exact runtime does not evaluate.

    The message is one sentence: which part, why, and what to change.
    """
