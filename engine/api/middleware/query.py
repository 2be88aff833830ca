"""Parameters in the query of an address: of the routes that predict, those of /v0 take some.

A form that is opened is filled with them, and predicts nothing.
"""

from flask import request

from engine.api.middleware.auth import ACCESS
from engine.api.paging import take_parameters
from engine.api.requests import PARAMETERS


def refuse_parameters() -> None:
    """Refuse a request to predict whose query would have no effect."""
    if ACCESS.get(request.endpoint or "") == "predict" and request.method == "POST":
        take_parameters(*(PARAMETERS if request.endpoint == "predict.predict" else ()))
