"""The text of a model file, as a person would write it."""

import textwrap
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from engine.languages import gettext as _
from engine.languages import local_number
from engine.training.infer.candidates import Candidate
from engine.training.infer.cells import Draft
from engine.training.infer.draft import ModelDraft
from engine.training.infer.layout import (
    WIDTH,
    call,
    comment,
    has_other_scripts,
    plain,
    width,
    written,
)
from engine.training.infer.loading import load_data_lines
from engine.training.infer.target import has_two_classes


def model_text(
    draft: ModelDraft, chosen: Candidate, *, compared: Sequence[str] = (), seed: int = 0
) -> str:
    """Return the whole file, with what the chosen candidate was compared with in a comment."""
    parts = [
        _head(draft, chosen), *_declarations(draft), "", "", *load_data_lines(draft), "", "",
        *(f"# {line}" for line in compared), *_build_pipeline(draft, chosen), "", "",
        *_definition(draft, seed),
    ]  # fmt: skip
    text = "\n".join(parts) + "\n"
    if not has_other_scripts(text):
        return text
    return f"# ruff: noqa: RUF001, RUF002, RUF003, RUF100\n{text}"


def _has_words(draft: ModelDraft) -> bool:
    return any(each.kind == "Category" for each in draft.fields)


def _head(draft: ModelDraft, chosen: Candidate) -> str:
    is_linear, has_words = chosen.is_linear, _has_words(draft)
    is_stored = draft.source.function == "read_database"
    preparations = ["OneHotEncoder"] * has_words + ["StandardScaler"] * is_linear
    has_dates = bool(_dates(draft))
    composed = ["ColumnTransformer"] * (has_words or has_dates) + [
        "TransformedTargetRegressor"
    ] * chosen.is_log
    imports = [
        "import pandas as pd",
        *["import numpy as np"] * chosen.is_log,
        *[f"from sklearn.compose import {', '.join(composed)}"] * bool(composed),
        *["from sklearn.ensemble import VotingClassifier"] * chosen.is_numbered,
        *["from sklearn.impute import SimpleImputer"] * is_linear,
        f"from {chosen.module} import {chosen.estimator}",
        "from sklearn.pipeline import Pipeline",
        *[f"from sklearn.preprocessing import {', '.join(preparations)}"] * bool(preparations),
    ]
    imports.sort(key=lambda line: (line.startswith("from"), line.split()[1]))
    kinds = {each.kind for each in (*draft.fields, draft.target)} | {"ModelDefinition"}
    kinds |= {"Number"} if draft.source.is_text else set()
    kinds |= {"Date"} if has_dates else set()
    predicts = _("predicts {target}.")
    begin = _("Written from {rows} rows of {table}: yours to edit.").format(
        rows=local_number(str(draft.rows)), table=PurePath(draft.sample).name[:40])  # fmt: skip
    return "\n".join(
        [
            f'"""{_title(draft)}: {predicts.format(target=plain(draft.target.header)[:60])}', "",
            plain(begin),
            '"""', "", "from pathlib import Path", "", *imports, "",
            *["from engine.preprocessing.date_parts import DateParts"] * has_dates,
            f"from engine.schema import {', '.join(sorted(kinds))}",
            *["from persistence.database import read_database"] * is_stored, "",
        ]
    )  # fmt: skip


def _title(draft: ModelDraft) -> str:
    return draft.name.replace("_", " ").capitalize()


def _declarations(draft: ModelDraft) -> list[str]:
    lines = ["fields = ("]
    for each in draft.fields:
        lines += [f"    {line}" for line in comment(plain(each.remark))]
        lines.append(call(each.kind, _arguments(each), indent=4) + ",")
    lines.append(")  # fmt: skip")
    if draft.aside:
        reasons: dict[str, list[str]] = {}
        for each in draft.aside:
            reasons.setdefault(each.summary, []).append(each.header or _("(no name)"))
        text = _(
            "Columns that are set aside. To use one, describe it in `fields`: an id as an "
            "Identifier, which comes back in answers, words as a Text or Category."
        )
        lines += ["", *textwrap.wrap(text, 98, initial_indent="# ", subsequent_indent="# ")]
        for reason, headers in reasons.items():
            lines += comment(plain(f"{', '.join(headers)} -> {reason}"))
    lines += ["", *comment(plain(draft.target.remark))]
    declared = call(f"target = {draft.target.kind}", _arguments(draft.target), indent=0)
    return [*lines, declared + ("  # fmt: skip" if "\n" in declared else "")]


def _arguments(each: Draft) -> dict[str, Any]:
    column = {"column": each.header} if each.header != each.name else {}
    return {"name": each.name} | column | each.arguments


def _build_pipeline(draft: ModelDraft, chosen: Candidate) -> list[str]:
    is_linear, has_words = chosen.is_linear, _has_words(draft)
    steps = ", ".join([
        *[_("words one-hot")] * has_words, *[_("dates in parts")] * bool(_dates(draft)),
        *[_("numbers scaled")] * is_linear, chosen.described(),
    ])  # fmt: skip
    text = _("Return the pipeline: {steps}.")
    lines = [
        "def build_pipeline() -> Pipeline:",
        f'    """{text.format(steps=steps)}"""',
    ]
    prepared = []
    if is_linear:
        scaling = '[("gaps", SimpleImputer(strategy="median")), ("scale", StandardScaler())]'
        lines.append(f"    numbers = Pipeline({scaling})")
        prepared = ['("numbers", numbers)']
    declared, transformers = _transformers(draft, is_linear=is_linear)
    lines += declared
    if transformers:
        rest = "numbers" if is_linear else '"passthrough"'
        given = f"[{', '.join(transformers)}]"
        if len(transformers) > 1:
            lines.append(f"    columns = {given}")
            given = "columns"
        lines.append(f"    prepare = ColumnTransformer({given}, remainder={rest})")
        prepared = ['("prepare", prepare)']
    lines.append(_assignment("model", chosen.estimator, chosen.arguments))
    if chosen.is_log:
        logarithm = "func=np.log1p, inverse_func=np.expm1"
        lines.append(f"    model = TransformedTargetRegressor(model, {logarithm})")
    if chosen.is_numbered:  # XGBoost takes the classes 0, 1, 2 ... only
        lines.append("    # " + _("A vote of one numbers the classes for XGBoost."))
        lines.append('    model = VotingClassifier([("xgboost", model)], voting="soft")')
    steps = ", ".join([*prepared, '("model", model)'])
    return [*lines, f"    return Pipeline([{steps}])"]


def _transformers(draft: ModelDraft, *, is_linear: bool) -> tuple[list[str], list[str]]:
    """Return the lines that make the transformers of words and dates, and the transformers."""
    lines, transformers = [], []
    if _has_words(draft):
        lines += [
            "    words = [field.name for field in fields if isinstance(field, Category)]",
            '    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)',
        ]
        transformers.append('("words", one_hot, words)')
    if dates := _dates(draft):
        lines.append("    dates = [field.name for field in fields if isinstance(field, Date)]")
        lines.append(_assignment("parts", "DateParts", _parts(dates, is_linear=is_linear)))
        scaled = '    parts = Pipeline([("parts", parts), ("numbers", numbers)])'
        lines += [scaled] * is_linear
        transformers.append('("dates", parts, dates)')
    return lines, transformers


def _dates(draft: ModelDraft) -> list[Draft]:
    """Return the fields of dates, the earliest first."""
    dates = [each for each in draft.fields if each.kind in ("Date", "DateTime")]
    return sorted(dates, key=_middle)


def _middle(draft: Draft) -> float:
    assert draft.values is not None
    return float(np.nanmedian(draft.values))


def _parts(dates: list[Draft], *, is_linear: bool) -> str:
    """Return the arguments of DateParts: cycles for a linear model, and the days between dates."""
    cycle = "_cycle" if is_linear else ""
    parts = ["year", f"month{cycle}", *["day"] * (not is_linear), f"weekday{cycle}"]
    parts += [f"hour{cycle}"] * any(each.kind == "DateTime" for each in dates)
    if len(dates) == 1:
        return f"parts={written(tuple(parts))}"
    return f"parts={written((*parts, 'age'))}, since={written(dates[0].name)}"


def _assignment(name: str, function: str, arguments: str) -> str:
    """Return a line that calls a function, or three if it is too long."""
    line = f"    {name} = {function}({arguments})"
    return line if width(line) <= WIDTH else f"    {name} = {function}(\n        {arguments}\n    )"


def _definition(draft: ModelDraft, seed: int) -> list[str]:
    of_classes = "roc_auc" if has_two_classes(draft.target) else "accuracy"
    score = "rmse" if draft.target.kind == "Number" else of_classes
    file, count = PurePath(draft.sample).name[:40], len(draft.fields)
    text = _("Predicts {target} from {count} columns of {table}.")
    text = text.format(target=draft.target.header[:30], count=count, table=file)
    lines = [
        "definition = ModelDefinition(", f"    title={written(_title(draft))},",
        f"    description={written(text)},", "    fields=fields,", "    target=target,",
        *_sample(draft.sample),
        "    load_data=load_data,", "    build_pipeline=build_pipeline,",
        f"    score={written(score)},", *[f"    seed={seed},"] * bool(seed),
        *[f"    split={written(draft.split)},"] * (draft.split != "digest"),
        *(_costs(draft) if draft.costs else []), ")",
    ]  # fmt: skip
    # Ruff lets a line be long that has no space to break it at.
    return [
        line + "  # noqa: E501" * (width(line) > WIDTH and " " in line.strip()) for line in lines
    ]


def _sample(path: str) -> list[str]:
    """Return the path as ruff formats it: a long one has a line of its own."""
    line = f"    sample=Path({written(path)}),"
    if width(line) <= WIDTH:
        return [line]
    return ["    sample=Path(", f"        {written(path)}", "    ),"]


def _costs(draft: ModelDraft) -> list[str]:
    return [
        "    # " + _("Yours to set: the threshold is chosen by them."),
        f"    costs={written(draft.costs)},",
    ]
