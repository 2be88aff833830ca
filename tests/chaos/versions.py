"""What may be served: versions of one model that answer every record differently.

And what must not be: poisoned ones, each of which a check has to refuse.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from engine.runtime.loading import check_version, load_version
from engine.runtime.trusted_types import load_pipeline
from engine.schema.fields import Field
from engine.training.card import describe
from engine.training.export.export import Export, convert
from engine.training.export.runtime_choice import choose_runtime
from engine.training.table import read_table
from persistence.model_persistence import ModelStore
from tests.support.models import EXAMPLES, TRAINED_AT
from tests.support.runtimes import BEST, RUN_FILE
from tests.support.toys import parcel

NAME = "parcel"

#: All that is ever asked; every field is within its range, so nothing is warned of.
RECORDS: list[dict[str, Any]] = [
    {**EXAMPLES[NAME], "weight": n / 2.5, "pieces": 1 + n % 50, "fragile": n % 3 == 0}
    for n in range(24)
]

#: What is right about one record: the class, and the probability of each.
Right = tuple[str, tuple[float, ...]]


class Stored(NamedTuple):
    """A card and its files, as a trainer hands them to the store."""

    card: dict[str, Any]
    files: dict[str, bytes]

    def trained_later(self, seconds: int) -> "Stored":
        """Give the same model as another version."""
        at = datetime.fromisoformat(TRAINED_AT) + timedelta(seconds=seconds)
        return Stored({**self.card, "created_at": at.isoformat()}, self.files)


def forest(card: Mapping[str, Any], seed: int) -> Stored:
    """Make a version; those of an odd seed have no field ``height``.

    Parameters
    ----------
    card : mapping
        Of a version that was trained: what it was judged on stands for all.
    """
    definition = parcel.definition
    if seed % 2:
        kept = tuple(one for one in definition.fields if one.name != "height")
        definition = replace(definition, fields=kept, extras=(*definition.extras, "height"))
    X, y, _ = read_table(definition.load_data(definition.sample), definition.schema)
    pipeline = _pipeline(seed, [one for one in ("height", "express") if one in X]).fit(X, y)
    data = card["data"]
    own = describe(NAME, definition, pipeline, data=definition.sample)
    columns = {str(name): X[name].tolist()[:40] for name in X.columns}
    found, files, _ = choose_runtime(definition, pipeline, columns, own, export=_export)
    assert found["runtime"] == BEST, found["runtime_reason"]
    return Stored({**card, **own, **found, "data": data}, files).trained_later(seed)


def _pipeline(seed: int, gaps: list[str]) -> Pipeline:
    prepare = ColumnTransformer(
        [
            ("words", OneHotEncoder(handle_unknown="ignore"), ["colour", "shape"]),
            ("gaps", SimpleImputer(strategy="most_frequent"), gaps),
        ],
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    forest = RandomForestClassifier(n_estimators=10, max_depth=4, random_state=seed)
    return Pipeline([("prepare", prepare), ("forest", forest)])


def _export(skops: bytes, fields: Sequence[Field], *, model: str) -> Export:
    """Convert in this process: a process for each takes ten times as long."""
    pipeline = load_pipeline(skops, model=model)
    return Export(convert(pipeline, fields))


def right_answers(store: ModelStore, version: str) -> list[Right]:
    """Ask a version about `RECORDS`, without any service."""
    known = load_version(store, NAME, version)
    found = known.predict(known.schema.columns(RECORDS))
    return [(str(one.value), tuple(one.probabilities or ())) for one in found]


def prepare(store: ModelStore, card: Mapping[str, Any], *, count: int) -> dict[str, list[Right]]:
    """Store good versions; give each with its right answers.

    Parameters
    ----------
    card : mapping
        Of a parcel model that was trained.
    """
    versions = [store.write(*forest(card, seed)) for seed in range(count)]
    known = {version: right_answers(store, version) for version in versions}
    for answers in zip(*known.values(), strict=True):
        assert len({shares for _, shares in answers}) == count, "two versions answer the same"
    return known


def flip_a_byte(content: bytes) -> bytes:
    """Change one byte in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def truncate(content: bytes) -> bytes:
    """Keep the first half."""
    return content[: len(content) // 2]


def poison(
    store: ModelStore, good: Stored, spoil: Callable[[str, Callable[[bytes], bytes]], None]
) -> dict[str, str]:
    """Store versions that must never answer; give them by what is wrong with them.

    Parameters
    ----------
    spoil : callable
        As of a `tests.chaos.places.Place`.
    """
    example = good.card["example"]
    wrong = {**example, "probabilities": list(reversed(example["probabilities"]))}
    liar = Stored({**good.card, "example": wrong}, good.files)
    found = {"a wrong example": store.write(*liar.trained_later(1000))}
    for later, (what, change) in enumerate(
        {"a flipped byte": flip_a_byte, "half a file": truncate}.items(), start=1001
    ):
        found[what] = store.write(*good.trained_later(later))
        spoil(f"{NAME}/{found[what]}/{RUN_FILE}", change)
    assert all(check_version(store, NAME, one) for one in found.values())
    return found
