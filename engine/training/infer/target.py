"""The target of a table: which column it is, what it holds, and which others give it away."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from engine.languages import gettext as _
from engine.languages import local_number
from engine.schema.kinds.spelling import spelling
from engine.schema.messages import did_you_mean, quoted, vocabulary
from engine.training.infer.cells import Cells, Draft
from engine.training.infer.columns import (
    flag_of,
    is_id,
    join_spellings,
    number,
    values_of,
)
from engine.training.infer.dates import dates_of
from engine.training.infer.headers import is_code_name, words_in
from engine.training.infer.numbers import Form, Style, find_form, is_number
from engine.training.infer.source import UnreadableTable

#: A class needs so many rows; a table may have so many classes.
ROWS_OF_A_CLASS, _MOST_CLASSES = 10, 100
#: One of two classes with a smaller share is rare.
_RARE = 0.2
#: Gaps that tell so much of the target come after it; so many rows are compared.
_TOLD_BY_GAPS, _COMPARED_ROWS = 0.99, 5000

_TARGET_NAMES = (
    "target", "label", "y", "churn", "churned", "survived", "outcome", "default", "approved",
    "class", "species", "response", "converted", "fraud", "diagnosis", "quality", "result",
    "price", "status", "sales", "rating", "score",
)  # fmt: skip


def likeliest_target(headers: Sequence[str]) -> str:
    """Return the column that is most likely the target: by its name, else the last."""
    for name in _TARGET_NAMES:
        for header in headers:
            if name == header.strip().casefold() or name in words_in(header)[-1:]:
                return header
    return headers[-1]


def target_column(target: str, headers: Sequence[str]) -> str:
    """Return the column that is meant; UnreadableTable names all where there is none."""
    if target in headers:
        return target
    alike = [each for each in headers if _bare(each) == _bare(target)]
    if target and len(alike) == 1:
        return alike[0]
    shown = ", ".join(map(quoted, headers[:50]))
    shown += _(" and {more} more").format(more=len(headers) - 50) if len(headers) > 50 else ""
    if target:
        hint = did_you_mean(target, vocabulary(headers))
        raise UnreadableTable(
            _("there is no column {target}{hint}: the columns are {shown}").format(
                target=quoted(target), hint=hint, shown=shown
            )
        )
    likeliest = quoted(likeliest_target(headers))
    raise UnreadableTable(
        _("no target is named: add --target {likeliest}, or another of the columns {shown}").format(
            likeliest=likeliest, shown=shown
        )
    )


def _bare(header: str) -> str:
    return header.strip("'\" ").casefold()


def describe_target(cells: Cells, style: Style) -> Draft:
    """Decide what the target is: a flag, one of several classes, or a number.

    Raise `UnreadableTable` where nothing can be learnt of it.
    """
    header, counts = cells.header, cells.counts
    about = _("the target {header}").format(header=quoted(header))
    if len(counts) < 2:
        what = (
            _("is {index} in every row").format(index=quoted(str(counts.index[0])[:40]))
            if len(counts)
            else _("is empty")
        )
        raise UnreadableTable(
            _("{about} {what}: give a table in which it varies").format(about=about, what=what)
        )
    if dates_of(cells):
        raise UnreadableTable(
            _(
                "{about} holds dates, which are not predicted: choose another, or add a "
                "column of days"
            ).format(about=about)
        )
    form = find_form(counts.index.to_series(), style)
    is_odd, numbers = form.odd, form.numbers[~form.odd]
    if counts[is_odd].sum() <= 0.05 * counts.sum() and not _are_classes(header, numbers):
        return _number(cells, form, about)
    if len(counts) > _MOST_CLASSES and all(map(is_number, map(str, counts.index[is_odd][:1000]))):
        example = quoted(str(counts.index[is_odd][0]))
        raise UnreadableTable(
            _(
                "{about} has numbers in more than one form, such as {example}: write all of "
                "them alike"
            ).format(about=about, example=example)
        )
    if flag := flag_of(cells):
        flag.summary = _("{share}: two classes").format(share=flag.summary)
        _check_rows(about, counts)
        return flag
    return _classes(cells, about, is_coded=not is_odd.any())


def _are_classes(header: str, numbers: np.ndarray) -> bool:
    """Return whether numbers are classes: two, or codes from 0 or 1 on whose header says so."""
    if len(numbers) <= 2:
        return True
    codes = np.sort(numbers)
    is_coded = len(codes) <= _MOST_CLASSES and (codes == np.arange(len(codes)) + codes[0]).all()
    is_named = is_code_name(header) or {*words_in(header)} & {"target", "label", "y", "class"}
    return bool(is_coded and codes[0] in (0, 1) and is_named)


def _number(cells: Cells, form: Form, about: str) -> Draft:
    draft, words = number(cells, form), len(form.numbers)
    assert draft.values is not None
    if "integer" in draft.arguments and is_id(cells, draft.values):
        raise UnreadableTable(
            _("{about} tells the rows apart, as an id does: choose another column").format(
                about=about
            )
        )
    if "integer" in draft.arguments and words <= 10:
        text = _("{words} whole values are taken for a number, not for classes")
        draft.remark = text.format(words=words)
    draft.summary = _("a number, {range}").format(range=draft.summary)
    return draft


def _classes(cells: Cells, about: str, *, is_coded: bool) -> Draft:
    synonyms, rows = join_spellings(cells.counts)
    often = rows[rows >= ROWS_OF_A_CLASS].sort_values(ascending=False, kind="stable")
    if len(rows) > _MOST_CLASSES:
        text = _("{about} has {words} different words, more than the {most} classes that are "
                 "learnt: choose another target, or join its words")  # fmt: skip
        words = local_number(str(len(rows)))
        raise UnreadableTable(text.format(about=about, words=words, most=_MOST_CLASSES))
    _check_rows(about, rows)
    labels: list[Any] = sorted(map(str, often.index))
    if len(labels) == 2:  # the rarer is the positive one
        labels = [*map(str, often.index)]
    if is_coded and all(re.fullmatch(r"0|-?[1-9]\d*", label) for label in labels):
        labels = sorted(map(int, labels))
    arguments: dict[str, Any] = {"categories": tuple(labels)}
    synonyms = {word: label for word, label in synonyms.items() if label in often.index}
    if synonyms:
        arguments["synonyms"] = synonyms
    example = str(often.index[0])
    arguments["example"] = int(example) if isinstance(labels[0], int) else example
    summary = _("{count} classes").format(count=len(labels))
    draft = Draft(cells.header, "Category", summary, arguments)
    places = {str(label): place for place, label in enumerate(labels)}
    meanings = {**places, **{word: places[label] for word, label in synonyms.items()}}
    draft.values = values_of(cells, meanings)
    draft.dropped = tuple(
        str(word) for word in cells.counts.index if spelling(word) not in meanings
    )
    if draft.dropped:
        draft.remark = _left_out(about, draft.dropped, rows, often)
    elif len(labels) == 2:
        text = _("the positive class is {label}, the last of the two")
        draft.remark = text.format(label=quoted(str(labels[1])))
    return draft


def _left_out(about: str, dropped: Sequence[str], rows: pd.Series, often: pd.Series) -> str:
    """Say which classes are left out; UnreadableTable where they have most rows."""
    left_out, all_rows = rows.sum() - often.sum(), local_number(str(rows.sum()))
    counts = {"few": ROWS_OF_A_CLASS, "left_out": local_number(str(left_out))}
    if left_out > rows.sum() / 2:
        text = _("{about} has {left_out} of {all_rows} rows in classes with fewer than {few} rows: "
                 "join its words, or choose another")  # fmt: skip
        raise UnreadableTable(text.format(about=about, all_rows=all_rows, **counts))
    listed = ", ".join(map(quoted, dropped[:5])) + ", …" * (len(dropped) > 5)
    text = _("classes with fewer than {few} rows are left out: {listed} ({left_out} rows)")
    return text.format(listed=listed, **counts)


def _check_rows(about: str, rows: pd.Series) -> None:
    often = int((rows >= ROWS_OF_A_CLASS).sum())
    if often < 2:
        counted = ", ".join(f"{quoted(str(word))} {count}" for word, count in rows.head(5).items())
        raise UnreadableTable(
            _(
                "{about} needs two classes with {rows_of_a_class} rows each, and it has "
                "{counted}: give more rows"
            ).format(about=about, rows_of_a_class=ROWS_OF_A_CLASS, counted=counted)
        )


def has_two_classes(target: Draft) -> bool:
    """Return whether a target is a flag, or one of two words."""
    return target.kind == "Flag" or len(target.arguments.get("categories", ())) == 2


def costs_of_errors(target: Draft) -> dict[str, int]:
    """Return the costs of errors where one of two classes is rare, as if both were as frequent."""
    if target.values is None or not has_two_classes(target):
        return {}
    share = float(np.nanmean(target.values))
    if _RARE <= share <= 1 - _RARE:
        return {}
    missed, alarm = max(1, round((1 - share) / share)), max(1, round(share / (1 - share)))
    return {"false_positive": alarm, "false_negative": missed}


def gives_away(draft: Draft, target: Draft) -> tuple[float, str]:
    """Return how well a column tells the target by itself, 1 for a copy, and how it does.

    A tree is fitted on the column alone, with a leaf for each class, or for each word of it.
    """
    assert draft.values is not None and target.values is not None
    rows = np.flatnonzero(~np.isnan(target.values))
    if len(rows) < 2 * ROWS_OF_A_CLASS:
        return 0, ""
    if len(rows) > _COMPARED_ROWS:
        rows = np.random.default_rng(0).choice(rows, _COMPARED_ROWS, replace=False)
    values, truth = draft.values[rows], target.values[rows]
    is_gap = np.isnan(values)
    is_number = target.kind == "Number"
    has_gaps = not is_number and is_gap.any()
    if has_gaps and balanced_accuracy_score(truth, _guess(is_gap, truth, 2)) >= _TOLD_BY_GAPS:
        return 1, _("its gaps tell the target")
    values, truth = values[~is_gap], truth[~is_gap]
    kinds = len(np.unique(truth)), len(np.unique(values))
    if min(kinds) < 2 or (draft.kind == "Category" and kinds[1] > len(values) / 10):
        return 0, ""
    if is_number and draft.kind != "Category":
        ranks = pd.Series(values).rank(), pd.Series(truth).rank()
        likeness = max(abs(np.corrcoef(*each)[0, 1]) for each in ((values, truth), ranks))
    elif is_number:
        guess = DecisionTreeRegressor(max_leaf_nodes=kinds[1]).fit(values[:, None], truth)
        likeness = guess.score(values[:, None], truth) ** 0.5
    else:
        leaves = kinds[1] if draft.kind == "Category" else kinds[0]
        likeness = balanced_accuracy_score(truth, _guess(values, truth, leaves))
    return likeness, _("tells the target: a copy, or known only after it")


def _guess(values: np.ndarray, truth: np.ndarray, leaves: int) -> np.ndarray:
    tree = DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0)
    return np.asarray(tree.fit(values[:, None], truth).predict(values[:, None]))
