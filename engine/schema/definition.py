"""What a model file defines; `Schema` is the part of it that a version's card keeps."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from engine.schema.declarations import is_finite, is_text, written, wrong_attributes
from engine.schema.fields import Field
from engine.schema.record_schema import Extras, Schema
from engine.schema.rules import InvalidRule, parse_rule

if TYPE_CHECKING:
    from pandas import DataFrame
    from sklearn.pipeline import Pipeline


class InvalidDefinition(ValueError):
    """A model file contradicts itself; the message has a line for each contradiction."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class ModelDefinition:
    """One model: what it takes, where its data is, how it is fitted and judged.

    Parameters
    ----------
    fields, target, extras
        As in `Schema`.
    sample : Path
        The table that `build_model.py` reads unless told otherwise.
    sample_note : str
        What a reader must know about the sample, such as that it is made up.
    load_data : callable
        Path -> DataFrame with the source columns of the fields and the target.
    build_pipeline : callable
        () -> unfitted pipeline. It is fitted on a frame with a column per
        field: doubles for numbers, flags and dates, text for categories.
    score : str
        It decides a promotion: ``roc_auc``, ``log_loss``, ``brier`` or ``accuracy``
        for classes; ``r2``, ``mae`` or ``rmse`` for numbers.
    threshold : float
        The probability, in (0, 1), from which the positive of two classes is predicted.
    seed : int
        Decides the split and the permutations.
    scores : tuple of str
        Names of scikit-learn's scorers that are computed beside the built-in scores.
    costs : mapping
        What a ``false_positive`` and a ``false_negative`` cost: the training chooses the
        threshold by them, on answers to training rows that were left out of a fit.
    request_threshold : bool
        Whether a request may name a threshold of its own, as ``?threshold=0.3``.
    reasons : int
        How many reasons come with an answer that is not the positive of two classes; 0 for none.
    interval : bool
        Whether the answers of a regression come with an interval.
    split : str
        Which rows are held out: those that a ``digest`` of their fields chooses, the last ones
        (``time:`` and a column), or whole groups (``group:`` and a column).
    answer : str
        What `/inference/<name>` and `/get_prediction` say of a record: the ``full`` answer, its
        ``value`` alone, or the ``probabilities`` of the classes in their order.
    log_tables : str
        Whether a table is logged by its ``rows``, or as one ``file`` with its digest.
    set_aside : float
        The largest share of the table's rows, from 0 to 1, that a training may leave out because
        a cell breaks its field's policy, or the row a rule; 0 refuses the table.
    rules : tuple of str
        What holds in a row: ``"low <= high"`` or ``"age < 120"``. A gap breaks no rule.
    """

    title: str
    fields: tuple[Field, ...]
    target: Field
    load_data: "Callable[[Path], DataFrame]"
    build_pipeline: "Callable[[], Pipeline]"
    sample: Path
    score: str
    description: str = ""
    sample_note: str = ""
    extras: Extras = "refuse"
    threshold: float = 0.5
    seed: int = 0
    split: str = "digest"
    scores: tuple[str, ...] = ()
    costs: Mapping[str, float] = field(default_factory=dict)
    request_threshold: bool = False
    reasons: int = 0
    interval: bool = True
    answer: str = "full"
    log_tables: str = "rows"
    set_aside: float = 0.0
    rules: tuple[str, ...] = ()
    schema: Schema = field(init=False)

    def __post_init__(self) -> None:
        for name in ("fields", "extras", "scores", "rules"):
            if isinstance(value := getattr(self, name), list):
                object.__setattr__(self, name, tuple(value))
        object.__setattr__(self, "schema", Schema(self.fields, self.target, self.extras))
        if problems := _contradictions(self):
            raise InvalidDefinition(problems)


_SCORES = {
    "classification": ("roc_auc", "log_loss", "brier", "accuracy"),
    "regression": ("r2", "mae", "rmse"),
}


def _contradictions(definition: ModelDefinition) -> list[str]:
    wrong = wrong_attributes(definition)
    problems = [*wrong.values()]
    if "title" not in wrong and not definition.title.strip():
        problems.append("title is empty: give a few words that name the model")
    if "threshold" not in wrong and not 0 < definition.threshold < 1:
        problems.append(f"threshold is {definition.threshold}: give a number between 0 and 1")
    if "seed" not in wrong and not 0 <= definition.seed < 2**32:
        problems.append(f"seed is {definition.seed}: give a whole number from 0 to 2**32 - 1")
    if "reasons" not in wrong and definition.reasons < 0:
        problems.append(f"reasons is {definition.reasons}: give how many, or 0 for none")
    way, _, column = definition.split.partition(":") if "split" not in wrong else ("digest", "", "")
    if (way, column) != ("digest", "") and (way not in ("time", "group") or not column):
        remedy = "give 'digest', or 'time:' or 'group:' with the name of a column after it"
        problems.append(f"split is {written(definition.split)}: {remedy}")
    if "answer" not in wrong and definition.answer not in ("full", "value", "probabilities"):
        remedy = "give 'full', 'value' or 'probabilities'"
        problems.append(f"answer is {written(definition.answer)}: {remedy}")
    if "log_tables" not in wrong and definition.log_tables not in ("rows", "file"):
        problems.append(f"log_tables is {written(definition.log_tables)}: give 'rows' or 'file'")
    problems += _row_problems(definition, wrong)
    problems += _call_problem("load_data", definition.load_data, definition.sample)
    problems += _call_problem("build_pipeline", definition.build_pipeline)
    problems += _field_problems(definition, has_fields="fields" not in wrong)
    problems += _extras_problems(definition)
    if "scores" not in wrong:
        others = [each for each in definition.scores if not is_text(each)]
        problems += [f"scores has {written(each)}: give names of scorers" for each in others]
    if definition.costs and "costs" not in wrong:
        problems += _cost_problems(definition)
    return problems + _target_problems(definition)


def _row_problems(definition: ModelDefinition, wrong: Mapping[str, str]) -> list[str]:
    problems = []
    if "set_aside" not in wrong and not 0 <= definition.set_aside <= 1:
        problems.append(f"set_aside is {definition.set_aside}: give a share of rows, from 0 to 1")
    if wrong.keys() & {"rules", "fields"}:
        return problems
    fields = [each for each in (*definition.fields, definition.target) if isinstance(each, Field)]
    for text in definition.rules:
        try:
            parse_rule(text, fields)
        except InvalidRule as error:
            problems.append(str(error))
    return problems


def _cost_problems(definition: ModelDefinition) -> list[str]:
    costs, remedy = definition.costs, "give {'false_positive': 1, 'false_negative': 5}"
    problems = []
    is_right = set(costs) == {"false_positive", "false_negative"}
    if not is_right or not all(is_finite(cost) and cost > 0 for cost in costs.values()):
        problems.append(f"costs is {written(dict(costs))}: {remedy}, with numbers above 0")
    if definition.threshold != ModelDefinition.threshold:
        problems.append(f"threshold is {definition.threshold} with costs: leave one of them out")
    return problems


def _call_problem(name: str, function: Any, *arguments: Any) -> list[str]:
    """Return what keeps a function of the model file from being called, if anything does."""
    if not callable(function):
        remedy = f"give a function, as {name}={name}, without brackets after it"
        return [f"{name} is {written(function)}: {remedy}"]
    try:
        signature(function).bind(*arguments)
    except TypeError as error:
        takes = "the path of the table, and nothing else" if arguments else "no argument"
        return [f"{name} cannot be called, {error}: let it take {takes}"]
    except ValueError:  # some functions written in C do not tell their arguments
        pass
    return []


def _field_problems(definition: ModelDefinition, *, has_fields: bool) -> list[str]:
    problems = []
    fields = [each for each in definition.fields if isinstance(each, Field)] if has_fields else []
    if has_fields and not definition.fields:
        problems.append("there are no fields: give one at least")
    elif fields and not any(field.is_input for field in fields):
        problems.append("all fields are identifiers: give one at least that the pipeline sees")
    if has_fields:
        others = [each for each in definition.fields if not isinstance(each, Field)]
        remedy = "give a field, such as a Number or a Category"
        problems += [f"fields has {written(each)}: {remedy}" for each in others]
    for each in fields:
        problems += [f"field {written(each.name)}: {problem}" for problem in each.contradictions()]
    targets = [definition.target] if isinstance(definition.target, Field) else []
    for attribute in ("name", "column"):
        words = [getattr(each, attribute) for each in (*fields, *targets)]
        problems += _repeated(attribute, [word for word in words if isinstance(word, str)])
    names = {each.name for each in (*fields, *targets) if isinstance(each.name, str)}
    problems += [
        f"the column {each.column!r} of {each.name!r} is the name of another field: rename that"
        for each in (*fields, *targets)
        if each.column != each.name and each.column in names
    ]
    return problems


def _repeated(attribute: str, words: Iterable[str]) -> list[str]:
    """Name the words that two fields have, also where only the way to write an accent differs."""
    counts = Counter(normalize("NFC", word) for word in words)
    remedy = "give each field its own, which looks different"
    return [
        f"the {attribute} {word!r} is used twice: {remedy}"
        for word, count in sorted(counts.items())
        if count > 1
    ]


def _extras_problems(definition: ModelDefinition) -> list[str]:
    extras: Any = definition.extras
    if isinstance(extras, str) and extras in ("refuse", "ignore"):
        return []
    if not isinstance(extras, tuple):
        remedy = "give 'refuse', 'ignore', or a tuple of names, as ('note',)"
        return [f"extras is {written(extras)}: {remedy}"]
    fields = definition.fields if isinstance(definition.fields, tuple) else ()
    names = [getattr(each, "name", None) for each in fields]
    problems = [f"extras has {written(name)}: give names" for name in extras if not is_text(name)]
    problems += [
        f"extras has {written(name)}, which is a field: leave it out"
        for name in extras
        if is_text(name) and name in names
    ]
    twice = sorted(name for name, count in Counter(map(str, extras)).items() if count > 1)
    return problems + [f"extras has {name!r} twice: list it once" for name in twice]


def _target_problems(definition: ModelDefinition) -> list[str]:
    target = definition.target
    if not isinstance(target, Field):
        return [f"target is {written(target)}: give a field, such as a Number or a Category"]
    problems = [f"target {written(target.name)}: {each}" for each in target.contradictions()]
    problems += target.target_contradictions()
    if wrong_attributes(target):  # its classes may be anything
        return problems
    scores = _SCORES[definition.schema.task]
    if definition.score not in scores:
        problems.append(f"score is {written(definition.score)}: give one of {', '.join(scores)}")
    classes = target.classes or ()
    if definition.answer == "probabilities" and not classes:
        problems.append("answer is 'probabilities' with a regression: give 'value'")
    if definition.threshold != 0.5 and len(classes) != 2:
        number = f"{len(classes)} classes" if classes else "a regression"
        remedy = "leave it out, it is for two classes"
        problems.append(f"threshold is {definition.threshold} with {number}: {remedy}")
    given = (
        name for name in ("costs", "request_threshold", "reasons") if getattr(definition, name)
    )
    if len(classes) != 2 and (name := next(given, None)):
        problems.append(f"{name} is given with another target than two classes: leave it out")
    return problems
