"""What was decided about a table, as a short table for a terminal."""

from engine.languages import gettext as _
from engine.languages import local_number
from engine.training.infer.draft import ModelDraft

#: So many columns have a line each; of more, those that are worth a look.
_LINES = 40


def report(draft: ModelDraft) -> list[str]:
    """Return the lines to print."""
    source, target = draft.source, draft.target
    columns = len(draft.fields) + len(draft.aside) + 1
    head = _("{table}: {rows} rows, {columns} columns ({layout})")
    rows_read = local_number(str(draft.rows))
    lines = [head.format(table=draft.sample, rows=rows_read, columns=columns, layout=source.layout)]
    rows = [(each.header, _(each.kind.lower()), each.summary) for each in draft.fields]
    plain = [row for row, each in zip(rows, draft.fields, strict=True) if not each.remark]
    hidden = set(plain[max(0, _LINES - len(rows) + len(plain)) :]) if len(rows) > _LINES else set()
    rows = [row for row in rows if row not in hidden]
    rows += [(each.header, _("set aside"), each.summary) for each in draft.aside[:_LINES]]
    rows.insert(0, (target.header, _("TARGET"), target.summary))
    width = min(30, max(len(header) for header, *_ in rows))
    lines += [f"  {header[:30]:<{width}}  {kind:<9}  {what}" for header, kind, what in rows]
    more = len(hidden) + max(0, len(draft.aside) - _LINES)
    lines += [_("  and {more} more columns, in the file").format(more=more)] if more else []
    remarks = [f"{each.header}: {each.remark}" for each in (target, *draft.fields) if each.remark]
    remarks = [*source.notes, *remarks[:_LINES]]
    lines += [_("look at:"), *(f"  - {remark}" for remark in remarks)] if remarks else []
    return [*map(_visible, lines)]


def _visible(line: str) -> str:
    """Spell what a terminal would obey and not show, as a header may hold it."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
