"""Parameters in the query of an address: of the routes that predict, /v0 takes a threshold."""

from flask import request

from engine.api.middleware.auth import ACCESS
from engine.api.paging import take_parameters
from engine.api.requests import THRESHOLD


def refuse_parameters() -> None:
    """Refuse a request to predict whose query would have no effect."""
    if ACCESS.get(request.endpoint or "") == "predict":
        take_parameters(*([THRESHOLD] if request.endpoint == "predict.predict" else []))
