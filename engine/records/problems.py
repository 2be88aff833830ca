"""Problems of an input, and the errors that list them."""

from typing import NamedTuple

from engine.schema.problem_codes import Code

#: An answer lists this many problems at most.
PROBLEMS_LISTED = 1000


class Problem(NamedTuple):
    """One thing that is wrong with a request.

    Attributes
    ----------
    pointer : str
        JSON pointer (RFC 6901) to the value in the body; empty for the body.
    detail : str
        The value and what to send instead.
    """

    pointer: str
    detail: str
    code: Code = Code.WRONG_TYPE


class BadRequest(Exception):
    """The body cannot be read at all: 400 for malformed, 413 for too large, 415 for wrong type."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class InvalidRecords(Exception):
    """The body can be read, but its records have problems."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems
