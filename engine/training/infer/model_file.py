"""The text of a model file, as a person would write it."""

from pathlib import PurePath
from typing import Any

from engine.training.infer.columns import Draft
from engine.training.infer.draft import ModelDraft
from engine.training.infer.layout import call, comment, plain, written
from engine.training.infer.loading import load_data_lines

#: Below so many rows a linear model is the sounder first one.
FEW_ROWS = 200


def model_text(draft: ModelDraft) -> str:
    """Return the whole file."""
    parts = [
        _head(draft), *_declarations(draft), "", "", *load_data_lines(draft), "", "",
        *_build_pipeline(draft), "", "", *_definition(draft),
    ]  # fmt: skip
    text = "\n".join(parts) + "\n"
    if all(letter < "\u0250" for letter in text):
        return text
    return f"# ruff: noqa: RUF001, RUF003, RUF100\n{text}"  # letters of other scripts


def _has_words(draft: ModelDraft) -> bool:
    return any(each.kind == "Category" for each in draft.fields)


def _estimator(draft: ModelDraft) -> tuple[str, str, str]:
    """Return the module of the estimator, its class and its arguments."""
    is_number = draft.target.kind == "Number"
    if draft.rows >= FEW_ROWS:
        ending = "Regressor" if is_number else "Classifier"
        return "ensemble", f"HistGradientBoosting{ending}", "random_state=0"
    if is_number:
        return "linear_model", "Ridge", ""
    return "linear_model", "LogisticRegression", "max_iter=1000"


def _head(draft: ModelDraft) -> str:
    module, estimator, _ = _estimator(draft)
    is_linear, has_words = module == "linear_model", _has_words(draft)
    is_stored = draft.source.function == "read_database"
    preparations = ["OneHotEncoder"] * has_words + ["StandardScaler"] * is_linear
    imports = [
        *["from sklearn.compose import ColumnTransformer"] * has_words,
        *["from sklearn.impute import SimpleImputer"] * is_linear,
        f"from sklearn.{module} import {estimator}",
        "from sklearn.pipeline import Pipeline",
        *[f"from sklearn.preprocessing import {', '.join(preparations)}"] * bool(preparations),
    ]
    kinds = {each.kind for each in (*draft.fields, draft.target)} | {"ModelDefinition"}
    kinds |= {"Number"} if draft.source.is_text else set()
    begin = f"Written from {draft.rows:,} rows of {PurePath(draft.sample).name}: yours to edit."
    return "\n".join(
        [
            f'"""{_title(draft)}: predicts {plain(draft.target.header)[:60]}.', "", plain(begin),
            '"""', "", "from pathlib import Path", "", "import pandas as pd", *sorted(imports), "",
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
            reasons.setdefault(each.summary, []).append(each.header or "(no name)")
        lines += ["", "# Columns that are set aside. To use one, describe it in `fields`."]
        for reason, headers in reasons.items():
            lines += comment(plain(f"{', '.join(headers)} -> {reason}"))
    lines += ["", *comment(plain(draft.target.remark))]
    declared = call(f"target = {draft.target.kind}", _arguments(draft.target), indent=0)
    return [*lines, declared + ("  # fmt: skip" if "\n" in declared else "")]


def _arguments(each: Draft) -> dict[str, Any]:
    column = {"column": each.header} if each.header != each.name else {}
    return {"name": each.name} | column | each.arguments


def _build_pipeline(draft: ModelDraft) -> list[str]:
    module, estimator, arguments = _estimator(draft)
    is_linear, has_words = module == "linear_model", _has_words(draft)
    what = "a linear model" if is_linear else "boosted trees, which take gaps"
    steps = "words one-hot, " * has_words + "numbers filled and scaled, " * is_linear + what
    lines = [
        "def build_pipeline() -> Pipeline:",
        f'    """Return the unfitted pipeline: {steps}."""',
    ]
    last = f"{estimator}({arguments})"
    if not has_words and not is_linear:
        return [*lines, f'    return Pipeline([("model", {last})])']
    scaling = 'Pipeline([("gaps", SimpleImputer(strategy="median")), ("scale", StandardScaler())])'
    if not has_words:
        return [*lines, f"    numbers = {scaling}",
                f'    return Pipeline([("numbers", numbers), ("model", {last})])']  # fmt: skip
    one_hot = 'OneHotEncoder(handle_unknown="ignore", sparse_output=False)'
    lines += [
        "    words = [field.name for field in fields if isinstance(field, Category)]",
        f"    one_hot = {one_hot}",
        *([f"    numbers = {scaling}"] if is_linear else []),
    ]
    rest = "numbers" if is_linear else '"passthrough"'
    return [
        *lines, f'    prepare = ColumnTransformer([("words", one_hot, words)], remainder={rest})',
        f"    model = {last}",
        '    return Pipeline([("prepare", prepare), ("model", model)])',
    ]  # fmt: skip


def _definition(draft: ModelDraft) -> list[str]:
    is_binary = (
        draft.target.kind == "Flag" or len(draft.target.arguments.get("categories", ())) == 2
    )
    score = "rmse" if draft.target.kind == "Number" else "roc_auc" if is_binary else "accuracy"
    file, count = PurePath(draft.sample).name[:40], len(draft.fields)
    text = f"Predicts {draft.target.header[:30]} from {count} columns of {file}."
    lines = [
        "definition = ModelDefinition(", f"    title={written(_title(draft))},",
        f"    description={written(text)},", "    fields=fields,", "    target=target,",
        f"    sample=Path({written(draft.sample)}),",
        f"    sample_note={written(f'{file}: say here where it is from')},",
        "    load_data=load_data,", "    build_pipeline=build_pipeline,",
        f"    score={written(score)},", ")",
    ]  # fmt: skip
    return [line + "  # noqa: E501" * (len(line) > 100) for line in lines]
