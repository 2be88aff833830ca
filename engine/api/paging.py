"""The query of an address, and lists in pages.

``limit`` and ``after`` are in the query, ``next`` and a `Link` in the answer.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from flask import Response, request

from engine.languages import gettext as _
from engine.languages import ngettext
from engine.records.problems import BadRequest
from engine.schema.messages import shown

#: How many entries a page has unless the request says so, and at most.
USUAL, MOST = 50, 200


class Page(NamedTuple):
    """The part of a list that the request in progress asks for."""

    names: Sequence[str]
    next: str | None  # the name to send as ``after``; None on the last page
    limit: int

    def link(self, response: Response) -> Response:
        """Add the address of the next page, which is relative to that of the request."""
        if self.next is not None:
            others = {**request.args.to_dict(flat=False), "limit": self.limit, "after": self.next}
            address = f"?{urlencode(others, doseq=True)}"
            response.headers["Link"] = f'<{address}>; rel="next"'
        return response


def page_of(
    names: Sequence[str], pattern: re.Pattern[str],
    *, is_after: Callable[[str, str], bool], usual: int = USUAL,
) -> Page:  # fmt: skip
    """Return the page of a list that the request asks for; raise `BadRequest` if it is not valid.

    Parameters
    ----------
    pattern : Pattern
        What names look like. The name after which a page begins need not be there any more.
    is_after : callable
        Whether the first of two names comes after the second in the list.
    usual : int
        How many entries a page has unless the request says so.
    """
    limit, after = page_bounds(pattern)
    length = limit or usual
    rest = names if after is None else [name for name in names if is_after(name, after)]
    page = rest[:length]
    return Page(page, page[-1] if len(rest) > length else None, length)


def page_bounds(pattern: re.Pattern[str], *others: str) -> tuple[int | None, str | None]:
    """Return how many entries the request asks for, and after which; it may have other parameters.

    Raise `BadRequest` if they are not valid.
    """
    take_parameters("limit", "after", *others)
    limit, after = single("limit"), single("after")
    if limit is not None and not (re.fullmatch("[0-9]{1,4}", limit) and 1 <= int(limit) <= MOST):
        raise BadRequest(
            400,
            _("limit is {limit}: send a whole number from 1 to {most}").format(
                limit=repr(limit[:80]), most=MOST
            ),
        )
    if after is not None and not pattern.fullmatch(after):
        raise BadRequest(
            400,
            _("after is {after}: send what `next` is in the page before").format(
                after=repr(after[:80])
            ),
        )
    return None if limit is None else int(limit), after


def take_parameters(*names: str) -> None:
    """Raise `BadRequest` if the query has parameters that its address does not take."""
    if not request.query_string:
        return
    if others := sorted(request.args.keys() - set(names))[:5]:
        listed = ngettext("the parameter {others}", "the parameters {others}", len(others))
        listed = listed.format(others=", ".join(map(shown, others)))
        first, last = ", ".join(names[:-1]), "".join(names[-1:])
        taken = f"{' and '.join(filter(None, (first, last)))} alone" if names else "none"
        remedy = _("leave the others out") if names else _("leave out what follows ?")
        raise BadRequest(
            400,
            _("the query has {listed}, and this address takes {taken}: {remedy}").format(
                listed=listed, taken=taken, remedy=remedy
            ),
        )


def single(name: str) -> str | None:
    """Return a parameter of the query; raise `BadRequest` if it is there more than once."""
    values = request.args.getlist(name)
    if len(values) > 1:
        raise BadRequest(
            400,
            _("{name} is there {values} times: send it once").format(name=name, values=len(values)),
        )
    return values[0] if values else None
