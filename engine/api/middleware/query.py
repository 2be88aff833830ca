"""Parameters in the query of an address: routes that predict take none, and refuse them."""

from flask import Response, request

from engine.api.errors import Failure, failure_response
from engine.api.middleware.auth import ACCESS
from engine.schema.messages import shown


def refuse_parameters() -> Response | None:
    """Refuse a request to predict whose query would have no effect."""
    if not request.query_string or ACCESS.get(request.endpoint or "") != "predict":
        return None
    names = sorted(request.args)[:5]
    listed = f"the parameter{'s' * (len(names) > 1)} {', '.join(map(shown, names))}"
    detail = f"the query has {listed}, and this address takes none: leave out what follows ?"
    return failure_response(Failure(400, detail))
