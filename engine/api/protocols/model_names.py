"""The names of the models, as KServe's protocols list them."""

import operator

from flask import Response

from engine.api.paging import MOST, page_of
from engine.api.requests import may_see
from engine.api.responses import json_response
from engine.serving.model_cache import ModelCache
from persistence.names import NAME


def list_names(models: ModelCache) -> Response:
    """List the models that have a promoted version, in pages.

    The protocols know no pages: those that follow the first are named in `Link` alone.
    """
    names = [*filter(may_see, models.store.names())]
    page = page_of(names, NAME, is_after=operator.gt, usual=MOST)
    return page.link(json_response({"models": page.names}))
