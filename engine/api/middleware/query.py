"""Parameters in the query of an address: routes that predict take none, and refuse them."""

from flask import request

from engine.api.middleware.auth import ACCESS
from engine.api.paging import take_parameters


def refuse_parameters() -> None:
    """Refuse a request to predict whose query would have no effect."""
    if ACCESS.get(request.endpoint or "") == "predict":
        take_parameters()
