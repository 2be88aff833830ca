"""The versions of a model: how good each is, two side by side, and which one is served."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from flask import Blueprint, Response, g, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from engine.api.catalog import find_card
from engine.api.middleware.auth import form_values
from engine.api.paging import USUAL, page_bounds, single
from engine.api.resources import Resources
from engine.cards.difference import difference
from engine.languages import gettext as _
from engine.languages import local_number
from engine.pages.changes import changes
from engine.pages.layout import CONTENT_TYPE, confine, refuse_foreign_forms, render
from engine.records.problems import BadRequest
from engine.runtime.loading import check_version
from engine.serving.model_cache import ModelCache
from persistence.model_persistence import ModelStore
from persistence.names import VERSION
from persistence.promotions import Pointer, PromotionConflict, version_before
from persistence.store_errors import ModelNotFound

_log = logging.getLogger(__name__)


def blueprint(shared: Resources) -> Blueprint:
    """Return the route of the versions, and of the form that promotes one of them."""
    routes = Blueprint("versions_page", __name__)
    models, store = shared.models, shared.models.store

    @routes.get("/models/<name>/versions")
    def show(name: str) -> Response:
        """Show a model's versions, the newest first, and compare two of them."""
        limit, after = page_bounds(VERSION, "old", "new")
        pointer, versions = store.pointer(name), store.versions(name)
        rest = [version for version in reversed(versions) if after is None or version < after]
        listed = rest[: limit or USUAL]
        before, _remembered = version_before(pointer.promotions, versions)
        old, new = _pair(pointer, versions, before)
        page = render(
            "versions.html", service=shared.service, path=request.path, name=name,
            rows=[_row(models, name, version, pointer) for version in listed], pointer=pointer,
            next=listed[-1] if len(rest) > len(listed) else "", before=before, old=old, new=new,
            choices=[*dict.fromkeys([*listed, *filter(None, (old, new))])],
            card={"model": name, "version": pointer.version},
            **_compared(models, name, old, new),
        )  # fmt: skip
        return Response(page, content_type=CONTENT_TYPE)

    @routes.post("/models/<name>/promote")
    def promote(name: str) -> AnyResponse:
        """Promote a version or roll back, as the commands of `flask models` do."""
        if name not in store.names():
            raise ModelNotFound(name)
        _promote(store, name, form_values())
        return redirect("versions", 303)

    routes.before_request(partial(refuse_foreign_forms, "/models"))
    routes.after_request(confine)
    return routes


def _promote(store: ModelStore, name: str, form: Mapping[str, str]) -> None:
    """Check and promote the version of a form; raise `BadRequest` with the reason if it stays."""
    version, is_rollback = form.get("version", ""), "rollback" in form
    if "sure" not in form:
        raise BadRequest(422, _("tick the box beside the button: nothing was changed"))
    if version not in store.versions(name):
        raise BadRequest(422, _("there is no version {version!r} of {name}").format(
            version=version[:80], name=name))  # fmt: skip
    if trouble := check_version(store, name, version):
        raise BadRequest(409, f"{version} of {name} is not promoted: {trouble}")
    expected = form.get("expected", "")
    try:
        store.promote(name, version, is_rollback=is_rollback, expected=expected)
    except PromotionConflict as conflict:
        raise BadRequest(409, str(conflict)) from conflict
    except OSError as error:
        reason = f"the store cannot be written: {error.strerror or error}"
        raise BadRequest(503, f"{version} of {name} is not promoted: {reason}") from error
    who = g.key.name if g.key else "this machine"
    fields = {"model": name, "version": version, "before": expected, "by": who}
    _log.info("rolled back" if is_rollback else "promoted", extra={"fields": fields})


def _pair(
    pointer: Pointer, versions: Sequence[str], before: str | None
) -> tuple[str | None, str | None]:
    """Return the versions that are asked for, else the promoted one beside the newest."""
    newest = versions[-1] if versions else pointer.version
    usual = (before, newest) if newest == pointer.version else (pointer.version, newest)
    chosen = [single(name) or None for name in ("old", "new")]
    for version in filter(None, chosen):
        if version not in versions:
            raise BadRequest(404, _("there is no version {version!r}").format(version=version[:80]))
    old, new = (choice or common for choice, common in zip(chosen, usual, strict=True))
    return old, new


def _compared(models: ModelCache, name: str, old: str | None, new: str | None) -> dict[str, Any]:
    """Compare two versions; nothing where one of them is refused."""
    first, second = (
        find_card(models, name, version) if version else None for version in (old, new)
    )
    if not first or not second or old == new:
        return {"scores": {}, "changes": None}
    compared = difference(first, second)
    files = [first["files"], second["files"]]
    different = [
        (_("file {name}").format(name=file), *(_size(part.get(file)) for part in files))
        for file in dict.fromkeys([*files[0], *files[1]])
        if files[0].get(file) != files[1].get(file)
    ]
    return {"scores": compared["scores"], "changes": [*changes(compared), *different]}


def _size(file: Mapping[str, Any] | None) -> str:
    if not file:
        return _("none")
    return f"{local_number(str(file['bytes']))} B, {file['sha256'][:8]}…"


def _row(models: ModelCache, name: str, version: str, pointer: Pointer) -> dict[str, Any]:
    card = find_card(models, name, version)
    promoted = [promotion for promotion in pointer.promotions if promotion.version == version]
    trial = pointer.candidate
    row = {
        "version": version, "version_name": pointer.name_of(version),
        "is_promoted": version == pointer.version,
        "promoted_at": (promoted[-1].at or "")[:10] if promoted else None,
        "trial": trial.mode if trial and trial.version == version else "",
    }  # fmt: skip
    if card is None:
        return row | {"refused": True}
    verdict = card.get("challenge", {}).get("verdict", "")
    return row | {
        "trained": card["created_at"], "score": card["score"], "verdict": verdict,
        "entry": card["scores"].get(card["score"]),
    }  # fmt: skip
