"""What a model file defines; `Schema` is the part of it that a version's card keeps."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.schema.fields import Field
from engine.schema.record_schema import Extras, Schema

if TYPE_CHECKING:
    from pandas import DataFrame
    from sklearn.pipeline import Pipeline


class InvalidDefinition(ValueError):
    """A model file contradicts itself; the message lists every contradiction."""


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
        field: doubles for numbers and flags, text for categories.
    score : str
        It decides a promotion: ``roc_auc``, ``log_loss``, ``brier`` or ``accuracy``
        for classes; ``r2``, ``mae`` or ``rmse`` for numbers.
    threshold : float
        The probability, in (0, 1), from which the positive of two classes is predicted.
    seed : int
        Decides the split and the permutations.
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
    schema: Schema = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "schema", Schema(self.fields, self.target, self.extras))
        if problems := _contradictions(self):
            raise InvalidDefinition("; ".join(problems))


_SCORES = {
    "classification": ("roc_auc", "log_loss", "brier", "accuracy"),
    "regression": ("r2", "mae", "rmse"),
}


def _contradictions(definition: ModelDefinition) -> list[str]:
    fields, target = definition.fields, definition.target
    problems = []
    for attribute in ("name", "column"):
        words = [getattr(field, attribute) for field in (*fields, target)]
        repeated = sorted({word for word in words if words.count(word) > 1})
        problems += [f"the {attribute} {word!r} is used twice" for word in repeated]
    names = {field.name: field.name for field in (*fields, target)}
    problems += [
        f"the column {field.column!r} of {field.name!r} is the name of another field: rename that"
        for field in (*fields, target)
        if names.get(field.column, field.name) != field.name
    ]
    problems += [] if fields else ["there are no fields"]
    for each in fields:
        problems += [f"field {each.name!r}: {problem}" for problem in each.contradictions()]
    problems += target.target_contradictions()
    if not 0 < definition.threshold < 1:
        problems.append(f"threshold {definition.threshold} is not between 0 and 1")
    scores = _SCORES[definition.schema.task]
    if definition.score not in scores:
        problems.append(f"score {definition.score!r} is not one of {', '.join(scores)}")
    return problems
