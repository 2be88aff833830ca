"""The report on a table's check: one HTML page that loads nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader

from engine.cards.facts import set_aside_text
from engine.languages import in_english
from engine.schema.card import SetAsideEntry
from engine.schema.definition import ModelDefinition
from engine.schema.messages import shown
from engine.training.table import too_many_text
from engine.training.table_check import ColumnCheck, TableCheck, written_rows

#: So many rejected values of a column are listed, and so many words that were found.
MOST_VALUES, MOST_WORDS = 20, 6


def write_table_report(
    model: str, definition: ModelDefinition, name: str, check: TableCheck
) -> bytes:
    """Write the report on a table as UTF-8 HTML; values of private fields are left out."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True
    )
    with in_english():
        page = environment.get_template("table_report.html").render(
            title=definition.title, model=model, name=name, lost=check.lost(),
            fits=check.fits(definition.set_aside), verdict=verdict(definition, check),
            reasons=_reasons(check), rules=_rules(check), others=_others(definition, check),
            columns=[_column(each, definition) for each in check.columns.values()],
            refused=[line for each in check.columns.values() for line in _refused(each)],
            accepted=_accepted(check),
        )  # fmt: skip
    return page.encode()


def verdict(definition: ModelDefinition, check: TableCheck) -> str:
    """Say in a sentence whether a table fits, and why."""
    rejected, rows, most = int(check.is_rejected.sum()), len(check.table), definition.set_aside
    if not check.is_readable:
        return f"{len(check.lost())} problems keep the table from being read."
    if not check.fits(most):
        return f"{too_many_text(check, most)}."
    if not rejected:
        return f"Each of the {rows:,} rows fits."
    entry = SetAsideEntry(most=most, rules=[], rows=rejected, reasons=check.reasons)
    allowed = f"The model file allows up to {100 * most:.3g}%."
    return f"{set_aside_text(entry, rows - rejected)}. {allowed}"


def _share(count: int, check: TableCheck) -> str:
    return f"{100 * count / max(len(check.table), 1):.3g}%"


def _reasons(check: TableCheck) -> list[dict[str, Any]]:
    return [
        {"text": reason, "rows": count, "share": _share(count, check)}
        for reason, count in check.reasons.items()
    ]


def _rules(check: TableCheck) -> list[dict[str, Any]]:
    return [
        {
            "text": rule.text, "is_broken": bool(rows.any()),
            "result": f"broken in {written_rows((np.flatnonzero(rows) + 1).tolist())}"
            if rows.any() else "holds in every row",
        }
        for rule, rows in check.broken.items()
    ]  # fmt: skip


def _column(column: ColumnCheck, definition: ModelDefinition) -> dict[str, Any]:
    field, rejected = column.field, sum(int(column.counts[code]) for code in column.refused)
    rows = max(len(column.values), 1)
    return {
        "name": field.name, "is_target": field is definition.target, "kind": field.noun(),
        "declared": " ".join(filter(None, (field.limits(), field.unit))),
        "found": "private" if field.private else _found(column),
        "gaps": f"{column.gaps} ({100 * column.gaps / rows:.3g}%)" if column.gaps else "none",
        "rejected": f"{rejected} ({100 * rejected / rows:.3g}%)" if rejected else "none",
        "is_bad": bool(rejected),
    }  # fmt: skip


def _found(column: ColumnCheck) -> str:
    """Say which values were accepted: the ends of their range, or the most frequent words."""
    field = column.field
    values = [value for value in column.values if value is not None and value == value]
    if not values:
        return "no value"
    if not field.is_text and field.classes is None:
        return f"{field.label(min(values))} to {field.label(max(values))}"
    words, counts = np.unique([str(field.to_value(each)) for each in values], return_counts=True)
    ranked = sorted(zip(words.tolist(), counts.tolist(), strict=True), key=lambda pair: -pair[1])
    more = f", and {len(ranked) - MOST_WORDS} more" if len(ranked) > MOST_WORDS else ""
    return ", ".join(f"{shown(word)[1:-1]} ({n})" for word, n in ranked[:MOST_WORDS]) + more


def _refused(column: ColumnCheck) -> list[dict[str, str]]:
    name, findings = column.field.name, list(column.refused.items())
    lines = [
        {
            "column": name, "rows": written_rows(column.rows_of(code)),
            "text": finding.code.replace("_", " ") if column.field.private else finding.detail,
        }
        for code, finding in findings[:MOST_VALUES]
    ]  # fmt: skip
    more = len(findings) - len(lines)
    last = {"column": name, "text": f"and {more} more values", "rows": ""}
    return [*lines, last] if more else lines


def _accepted(check: TableCheck) -> list[str]:
    shared = (column for column in check.columns.values() if not column.field.private)
    return [line for column in shared for line in column.remarks()]


def _others(definition: ModelDefinition, check: TableCheck) -> str:
    used = {*check.sources.values(), definition.target.name, definition.target.column}
    names = sorted(str(column) for column in check.table.columns if column not in used)
    more = f" and {len(names) - 30} more" if len(names) > 30 else ""
    return ", ".join(names[:30]) + more
