"""A model drafted from a table: the fields, the target, and what is set aside."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from engine.languages import gettext as _
from engine.languages import local_number
from engine.schema.kinds.spelling import GAP_WORDS
from engine.schema.messages import quoted
from engine.training.infer.cells import Cells, Draft, cells_of
from engine.training.infer.columns import describe
from engine.training.infer.headers import free_name
from engine.training.infer.numbers import PLAIN, Style, find_style, is_number
from engine.training.infer.reading import read_source
from engine.training.infer.source import Source, UnreadableTable
from engine.training.infer.splits import propose_split
from engine.training.infer.target import (
    costs_of_errors,
    describe_target,
    gives_away,
    likeliest_target,
    target_column,
)

#: All categories together list so many words, and each of them at least so many.
_ALL_WORDS, _FEWEST_WORDS, _MOST_WORDS = 400, 10, 60

#: The row that is shown as an example is one of so many.
_LOOKED_AT = 10_000

#: A column so like the target is a copy of it, and one nearly so is worth a look.
_COPY, _NEARLY_A_COPY = 0.999, 0.97


@dataclass(frozen=True)
class ModelDraft:
    """What a model file will say, and how its table is read.

    The sample is the path of the table as the file names it; gap words are those of each column
    that pandas does not read as gaps by itself. They stand for a value in other columns.
    """

    name: str
    sample: str
    rows: int
    source: Source
    style: Style
    fields: list[Draft]
    aside: list[Draft]
    target: Draft
    gap_words: dict[str, list[str]]
    padded: list[str]
    has_target_gaps: bool
    split: str
    costs: dict[str, int]


def propose_target(place: str, table: str = "") -> tuple[str, list[str]]:
    """Return the likeliest target of a table, and all of its columns."""
    headers = [*read_source(place, table).frame]
    return likeliest_target(headers), headers


def draft_model(place: str, target: str, *, name: str, sample: str, table: str = "") -> ModelDraft:
    """Read a table and decide what its columns are.

    Raise `UnreadableTable` where the table cannot be read, has no such target, or has nothing to
    learn from.
    """
    source = read_source(place, table)
    headers = [*source.frame]
    header = target_column(target, headers)
    columns = {each: cells_of(each, source.frame.pop(each)) for each in headers}
    style = _style_of(source, columns)
    goal = describe_target(columns[header], style)
    if gaps := columns[header].gaps:
        text = _("{rows} rows without {header} are left out")
        source.notes.append(text.format(rows=local_number(str(gaps)), header=quoted(header)))
    goal.name = free_name(header, len(headers), {*headers} - {header})
    others = {each: cells for each, cells in columns.items() if each != header}
    described = _describe(others, style, source.nested)
    _set_aside(described, goal)
    taken = {goal.name}
    for number, each in enumerate(described, start=1):
        each.name = free_name(each.header, number, {*headers} - {each.header} | taken)
        taken.add(each.name)
    split, reason = propose_split(others, described)
    source.notes.extend([reason] if reason else [])
    fields = [each for each in described if each.kind]
    if not fields:
        reasons = [f"{quoted(each.header)} ({each.summary})" for each in described[:5]]
        text = _("{place} has no column to learn from besides the target: {reasons}")
        reasons = reasons or [_("there is no other column")]
        raise UnreadableTable(text.format(place=place, reasons=", ".join(reasons)))
    _show_a_real_row(fields, columns)
    used = [*fields, goal]
    worded = [each.header for each in used if each.kind != "Number"]
    return ModelDraft(
        name, sample, len(source.frame), source, style, fields,
        aside=[each for each in described if not each.kind], target=goal,
        gap_words=_gap_words(used, columns, source),
        padded=[each for each in worded if columns[each].is_padded],
        has_target_gaps=columns[header].gaps > 0 or bool(goal.odd), split=split,
        costs=_costs(goal),
    )  # fmt: skip


def _style_of(source: Source, columns: dict[str, Cells]) -> Style:
    """Return how the numbers of a source are written; a separator of thousands is noted."""
    if not source.is_text:
        return PLAIN
    words = [cells.counts.index.to_series() for cells in columns.values()]
    style = find_style(words, delimiter=source.arguments.get("sep", ","))
    if style.thousands:
        text = _("{sign} is read as the thousands separator")
        source.notes.append(text.format(sign=quoted(style.thousands)))
    return style


def _show_a_real_row(fields: list[Draft], columns: dict[str, Cells]) -> None:
    """Make the examples those of the complete row that is nearest to the middle of each field.

    Where no row is complete, they stay as they are: each alone is frequent.
    """
    words, far = {}, np.zeros(min(_LOOKED_AT, len(columns[fields[0].header].places)))
    for each in fields:
        assert each.values is not None
        values, cells = each.values[: len(far)], columns[each.header]
        if each.kind in ("Category", "Flag"):
            known, counts = np.unique(values[~np.isnan(values)], return_counts=True)
            most = known[counts.argmax()] if known.size else np.nan
            apart = np.where(np.isnan(values), np.nan, values != most)
        else:
            low, middle, high = np.nanquantile(values, (0.25, 0.5, 0.75))
            apart = np.abs(values - middle) / ((high - low) or 1)
        if each.kind == "Category":
            same = {word: word for word in each.arguments["categories"]}
            same |= each.arguments.get("synonyms", {})
            words[each.header] = [same.get(word) for word in map(str, cells.counts.index)]
            is_listed = np.array([word is not None for word in words[each.header]])
            apart = np.where(is_listed[cells.places[: len(far)]], apart, np.nan)
        far = far + apart
    if np.isnan(far).all():
        return
    row = int(np.nanargmin(far))
    for each in fields:
        cells, numbers = columns[each.header], each.values
        assert numbers is not None
        if each.kind == "Category":
            each.arguments["example"] = words[each.header][cells.places[row]]
        elif each.kind in ("Number", "Flag"):
            each.arguments["example"] = type(each.arguments["example"])(numbers[row])
        else:
            each.arguments["example"] = str(cells.counts.index[cells.places[row]])


def _costs(target: Draft) -> dict[str, int]:
    if costs := costs_of_errors(target):
        text = _("a class is rare: {alarms} false alarms are taken to cost as much as {missed} "
                 "missed, and the threshold follows; set `costs` in the file")  # fmt: skip
        alarms, missed = costs["false_negative"], costs["false_positive"]
        target.add_remark(text.format(alarms=alarms, missed=missed))
    return costs


def _gap_words(
    used: list[Draft], columns: dict[str, Cells], source: Source
) -> dict[str, list[str]]:
    by_itself = GAP_WORDS if source.is_text else set() if source.has_empty_text else {""}
    words = {each.header: (*columns[each.header].gap_words, *each.odd) for each in used}
    own = {header: [word for word in words[header] if word not in by_itself] for header in words}
    return {header: gaps for header, gaps in own.items() if gaps}


def _describe(columns: dict[str, Cells], style: Style, nested: frozenset[str]) -> list[Draft]:
    firsts = [str(cells.counts.index[0]) for cells in columns.values() if len(cells.counts)]
    worded = sum(not is_number(first) for first in firsts)
    most = max(_FEWEST_WORDS, min(_MOST_WORDS, _ALL_WORDS // max(1, worded)))
    return [
        Draft(header, "", _("lists or objects in its cells"))
        if header in nested
        else describe(cells, style, most)
        for header, cells in columns.items()
    ]


def _set_aside(drafts: list[Draft], target: Draft) -> None:
    """Set copies of the target aside."""
    for each in filter(lambda each: each.kind, drafts):
        likeness, reason = gives_away(each, target)
        if likeness >= _COPY:
            each.set_aside(reason)
        elif likeness >= _NEARLY_A_COPY:
            text = _("it tells the target almost alone: is it known before the target is?")
            each.add_remark(text)
    dates = [each for each in drafts if each.kind in ("Date", "DateTime")]
    for first, second in combinations(dates, 2):
        assert first.values is not None and second.values is not None
        days = second.values - first.values
        between = Draft("", "Number", "", values=days)
        if first.kind and second.kind and gives_away(between, target)[0] >= _COPY:
            is_ordered = np.nanmedian(days) >= 0
            early, late = (first, second) if is_ordered else (second, first)
            text = _("with {header} it tells the target: known only after it")
            late.set_aside(text.format(header=quoted(early.header)))
