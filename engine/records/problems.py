"""What is wrong with an input: one problem, and the errors that list them all."""

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
        What was found and what is expected.
    code : Code
        For programs.
    """

    pointer: str
    detail: str
    code: Code = Code.WRONG_TYPE


class BadRequest(Exception):
    """The body cannot be read at all.

    Parameters
    ----------
    status : int
        400 when it is malformed, 413 when it holds too much, 415 when it is
        of another kind.
    detail : str
        What was found and what is expected.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class InvalidRecords(Exception):
    """The body can be read, but records in it are not valid; all problems."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems
