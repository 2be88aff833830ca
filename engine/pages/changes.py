"""What differs between two versions, as rows of a table."""

from collections.abc import Mapping
from typing import Any

from engine.cards.difference import PARTS
from engine.languages import gettext as _


def changes(compared: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """List what differs, but for the scores: name, old value, new value."""
    fields = compared["fields"]
    rows = [
        (_("field {name}").format(name=name), _("none"), _("added")) for name in fields["added"]
    ]
    rows += [
        (_("field {name}").format(name=name), _("there"), _("removed"))
        for name in fields["removed"]
    ]
    parts = [
        ("", compared["facts"]),
        *((title.lower(), compared[key]) for key, title in PARTS.items()),
        *((f"field {name}", change) for name, change in fields["changed"].items()),
        ("target", fields["target"]),
    ]
    return rows + [
        (f"{title} {key}".strip(), _text(change["from"]), _text(change["to"]))
        for title, part in parts
        for key, change in part.items()
    ]


def _text(value: Any) -> str:
    return _("none") if value is None or value == "" else str(value)
