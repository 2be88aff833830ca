"""What changed from one version of a model to another, for people to read."""

from collections.abc import Mapping
from typing import Any

from engine.cards.difference import PARTS
from engine.commands.output import indented, table
from engine.commands.service_metrics import live_text
from engine.languages import gettext as _
from engine.languages import mark
from engine.schema.messages import rounded


def difference_text(changes: Mapping[str, Any]) -> str:
    """Format for people what `engine.cards.difference.difference` returns."""
    head = _("{model}: from {first} to {last}").format(
        model=changes["model"], first=changes["from"], last=changes["to"])  # fmt: skip
    moved = [
        (field, f"{rounded(mean['from'])} -> {rounded(mean['to'])}")
        for field, mean in changes["importances"].items()
    ]
    parts = [
        head,
        _part(_("Model"), _pairs(changes["facts"])),
        _part(_("Fields"), field_rows(changes["fields"])),
        *(_part(_(title), _pairs(changes[part])) for part, title in PARTS.items()),
        _part(_("Permutation importances that moved"), moved),
        _score_text(changes),
        _answer_text(changes["answers"]) if "answers" in changes else "",
        live_text(changes["live"]) if "live" in changes else "",
    ]
    return "\n\n".join(filter(None, parts))


def _part(title: str, rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    width = max(len(name) for name, _ in rows)
    return "\n".join([title, *(f"  {name:<{width}}  {text}" for name, text in rows)])


def _pairs(changes: Mapping[str, Any]) -> list[tuple[str, str]]:
    texts = {
        key: [
            _("none") if change[end] in (None, "") else str(change[end]) for end in ("from", "to")
        ]
        for key, change in changes.items()
    }
    return [(key, " -> ".join(ends)) for key, ends in texts.items()]


def field_rows(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List every field that was added, removed or changed, and how."""
    rows = [(name, _("added")) for name in fields["added"]]
    rows += [(name, _("removed")) for name in fields["removed"]]
    for name, changes in [*fields["changed"].items(), (_("the target"), fields["target"])]:
        rows += [(name, f"{key}: {text}") for key, text in _pairs(changes)]
    return [*rows, (_("the order"), _("changed"))] if fields["is_order_changed"] else rows


def _score_text(changes: Mapping[str, Any]) -> str:
    rows = [
        [
            name,
            f"{rounded(score['from']['value'])} -> {rounded(score['to']['value'])}",
            rounded(score["change"], sign="+"),
            *(
                _("{low} to {high}").format(
                    low=rounded(score[end]["low"]), high=rounded(score[end]["high"])
                )
                for end in ("from", "to")
            ),
            _("exceeds both intervals") if score["exceeds_intervals"] else _("within an interval"),
        ]
        for name, score in changes["scores"].items()
    ]
    heads = "score", "value", mark("change"), mark("interval before"), mark("and now"), ""
    text = _("Scores") + f"\n{indented(table(heads, rows))}"
    if "sha256" in changes["data"]:
        text += "\n  " + _("The data differ, so the versions were scored on different rows.")
    return text


def _answer_text(answers: Mapping[str, Any]) -> str:
    title = _("Answers to {rows} records").format(rows=answers["rows"])
    rows, is_number = answers["rows_that_differ_most"], answers["labels_that_differ"] is None
    lines = [] if is_number else [(_("labels that differ"), str(answers["labels_that_differ"]))]
    if answers["largest_difference"] is not None:
        what = _("largest difference of probability")
        what = _("largest difference of number") if is_number else what
        lines.append((what, f"{answers['largest_difference']:.6g}"))
    lines.append((_("rows that differ most"), ", ".join(map(str, rows)) or _("none")))
    return "\n".join([title, *(f"  {name:<32}{text}" for name, text in lines)])
