"""The codes by which programs recognise what is wrong with a value."""

from enum import StrEnum


class Code(StrEnum):
    """What is wrong with a value, a record or a body; the codes never change with the language."""

    MISSING = "missing"
    EXTRA = "extra"
    REPEATED = "repeated"
    WRONG_TYPE = "wrong_type"
    NOT_FINITE = "not_finite"
    OUT_OF_RANGE = "out_of_range"
    UNKNOWN_CATEGORY = "unknown_category"
    WRONG_LENGTH = "wrong_length"
    NO_RECORDS = "no_records"
    NO_FINITE_ANSWER = "no_finite_answer"

    @property
    def words(self) -> str:
        """The code for people, in a list of reasons."""
        both = "not finite or beyond 2**53"  # which no double holds exactly
        return both if self is Code.NOT_FINITE else self.replace("_", " ")
