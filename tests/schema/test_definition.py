"""Definitions that contradict themselves are refused, with every contradiction and its remedy."""

import json
import math
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest

from engine.schema.definition import InvalidDefinition, ModelDefinition
from engine.schema.fields import Category, Flag, Number
from engine.schema.json_decoder import Decoder
from engine.schema.record_schema import Schema


def number(**words: Any) -> Number:
    return Number(**{"name": "age", "example": 30, **words})


def category(*categories: Any, **words: Any) -> Category:
    return Category(**{"name": "home", "example": categories[0], "categories": categories, **words})


def flag(synonyms: Any = None, **words: Any) -> Flag:
    return Flag(name="debts", example=True, synonyms=synonyms or words)


def define(**changes: Any) -> ModelDefinition:
    parts: dict[str, Any] = {
        "title": "Toy",
        "fields": (number(), category("rent", "owner")),
        "target": Flag(name="ok", example=True),
        "load_data": lambda path: None,
        "build_pipeline": lambda: None,
        "sample": Path("toy.csv"),
        "score": "roc_auc",
    }
    return ModelDefinition(**{**parts, **changes})


def problems_of(**changes: Any) -> list[str]:
    with pytest.raises(InvalidDefinition) as caught:
        define(**changes)
    assert "\n".join(caught.value.problems) == str(caught.value)
    return caught.value.problems


POLICY = "give 'refuse' or 'accept'"
TUPLE = "give a tuple, with a comma after each item, or a dictionary, as {1: 'low', 2: 'high'}"
COSTS = {"false_positive": 1, "false_negative": 5}
FINITE = "give a finite number, or leave it out"


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        (number(missing="ok"), f"missing is 'ok': {POLICY}"),
        (number(missing=True), f"missing is True: {POLICY}"),
        (number(out_of_range="Accept"), f"out_of_range is 'Accept': {POLICY}"),
        (category("a", "b", unknown=None), f"unknown is None: {POLICY}"),
        (number(integer=1), "integer is 1: give True or False"),
        (number(unit=5), "unit is 5: give text"),
        (number(description=b"x"), "description is b'x': give text"),
        (number(column=3), "column is 3: give text"),
        (number(minimum=math.nan), f"minimum is nan: {FINITE}"),
        (number(maximum=math.inf), f"maximum is inf: {FINITE}"),
        (number(maximum="100"), f"maximum is '100': {FINITE}"),
        (number(minimum=True), f"minimum is True: {FINITE}"),
        (number(maximum=10**400), f"maximum is 1{56 * '0'}...: {FINITE}"),
        (number(minimum=2, maximum=1, example=2), "minimum 2 is above maximum 1: exchange them"),
        (
            number(integer=True, minimum=29.5, maximum=29.7),
            "no whole number is between minimum 29.5 and maximum 29.7: widen the range",
        ),
        (number(maximum=9), "the example is 30: give a number of at most 9"),
        (number(example=None, missing="accept"), "the example is None: give a number"),
        (number(example=np.int64(3)), "the example is np.int64(3): give a number"),
        (number(example=math.nan), "the example is nan: give a number"),
        (category("a", "b", example="c"), "the example is 'c': give one of 'a', 'b'"),
        (category("a", "b", "a"), "categories 'a' and 'a' are the same: list one of them"),
        (category(1, 2, "1"), "categories 1 and '1' are the same: list one of them"),
        (category("1", "2", "1.0"), "categories '1' and '1.0' are the same: list one of them"),
        (
            category("é", "e\u0301", "a"),
            "categories 'é' and 'e\u0301' are the same: list one of them",
        ),
        (category("a"), "'a' is the only category: list another"),
        (category("a", categories=()), "there are no categories: list the words"),
        (category("a", True), "category True is neither text nor a whole number: list text"),
        (category("a", 1.5), "category 1.5 is neither text nor a whole number: list text"),
        (category("a", ""), "category '' is empty, as a gap is: leave it out, or accept `missing`"),
        (category("a", "__missing__"), "category '__missing__' is reserved: list another word"),
        (
            category(1, 2**53),
            "category 9007199254740992 is not below 2**53, as a code must be: list it as text",
        ),
        (category("a", categories="abc"), f"categories is 'abc': {TUPLE}"),
        (
            category("a", "b", synonyms={"c": "d"}),
            "synonym 'c' means 'd': give one of the categories",
        ),
        (category("a", "b", synonyms={1: "a"}), "synonym 1 is not text: give text"),
        (
            category("a", "b", synonyms={"__unknown__": "a"}),
            "synonym '__unknown__' is reserved: list another word",
        ),
        (
            category("a", "b", synonyms={"a": "b"}),
            "synonym 'a' is the same word as 'a': leave it out",
        ),
        (
            category(1, 2, synonyms={"1.0": 2}),
            "synonym '1.0' is the same word as '1': leave it out",
        ),
        (
            category("low", categories={1: "low", "1": "high"}),
            "code '1' means 'high' and 'low': choose one",
        ),
        (
            category("low", categories={1: "low", 2: "high"}, synonyms={"2": "low"}),
            "code '2' means 'high' and 'low': choose one",
        ),
        (
            category("2", categories={1: "2", 2: "1"}),
            "synonym '1' is the same word as '1': leave it out",
        ),
        (category("a", categories={None: "a", 2: "b"}), "synonym None is not text: give text"),
        (
            category("a", categories={1: "a", 2: True}),
            "category True is neither text nor a whole number: list text",
        ),
        (
            category("a", "b", synonyms=["c"]),
            "synonyms is ['c']: give a dictionary, as {'word': meaning}",
        ),
        (flag({1: False}), "synonym 1 is not a word: give text"),
        (flag(yes=1), "synonym 'yes' means 1: give True or False"),
        (flag(yes="no"), "synonym 'yes' means 'no': give True or False"),
        (
            flag(TRUE=False),
            "synonym 'TRUE' means False, but 'true' means True: leave one of them out",
        ),
        (
            flag(Y=True, y=False),
            "synonym 'y' means False, but 'y' means True: leave one of them out",
        ),
    ],
)
def test_field_that_contradicts_itself_is_refused(field: Any, problem: str) -> None:
    assert f"field '{field.name}': {problem}" in problems_of(fields=(field, number(name="b")))


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\u202ea", None, 3, "\ud800"])
def test_field_without_a_name_that_can_be_seen_is_refused(name: Any) -> None:
    assert problems_of(fields=(number(name=name),))[0].startswith(f"field {name!r}: name is ")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"fields": ()}, "there are no fields: give one at least"),
        ({"fields": None}, "fields is None: give a tuple, with a comma after each item"),
        (
            {"fields": (number(), "x")},
            "fields has 'x': give a field, such as a Number or a Category",
        ),
        ({"fields": (number(), number())}, "the name 'age' is used twice: give each field its own"),
        (
            {"fields": (number(), number(name="b", column="age"))},
            "the column 'age' is used twice: give each field its own",
        ),
        (
            {"fields": (number(name="é"),), "target": Flag(name="e\u0301", example=True)},
            "the name 'é' is used twice: give each field its own, which looks different",
        ),
        ({"title": " "}, "title is empty: give a few words that name the model"),
        ({"title": None}, "title is None: give text"),
        ({"description": 1}, "description is 1: give text"),
        ({"sample_note": None}, "sample_note is None: give text"),
        ({"sample": "toy.csv"}, "sample is 'toy.csv': give a Path"),
        ({"sample": PurePath("toy.csv")}, "sample is PurePosixPath('toy.csv'): give a Path"),
        ({"load_data": None}, "load_data is None: give a function, as load_data=load_data"),
        ({"load_data": lambda: None}, "load_data cannot be called, too many"),
        ({"build_pipeline": "x"}, "build_pipeline is 'x': give a function"),
        ({"build_pipeline": lambda X: None}, "build_pipeline cannot be called, missing a required"),
        ({"threshold": 1.0}, "threshold is 1.0: give a number between 0 and 1"),
        ({"threshold": math.nan}, "threshold is nan: give a finite number"),
        ({"threshold": "0.5"}, "threshold is '0.5': give a finite number"),
        ({"seed": -1}, "seed is -1: give a whole number from 0 to 2**32 - 1"),
        ({"seed": True}, "seed is True: give a whole number"),
        ({"seed": 1.5}, "seed is 1.5: give a whole number"),
        ({"score": "r2"}, "score is 'r2': give one of roc_auc, log_loss, brier, accuracy"),
        ({"score": ["r2"]}, "score is ['r2']: give text"),
        (
            {"extras": "ignored"},
            "extras is 'ignored': give 'refuse', 'ignore', or a tuple of names",
        ),
        ({"extras": ("age",)}, "extras has 'age', which is a field: leave it out"),
        ({"extras": ("note", 3)}, "extras has 3: give names"),
        ({"extras": ("note", "note")}, "extras has 'note' twice: list it once"),
        ({"target": Flag}, "target is <class 'engine.schema.kinds.flag.Flag'>: give a field"),
        (
            {"target": Flag(name="ok", example=True, missing="accept")},
            "the target cannot be missing: filter such rows in load_data",
        ),
        (
            {"target": category("a", "b", unknown="accept")},
            "the target cannot accept unknown categories: list all of them",
        ),
        ({"target": category("a")}, "target 'home': 'a' is the only category: list another"),
        ({"target": category(1, "a")}, "the categories of the target mix text and numbers"),
        ({"target": category("a", "b", "c"), "threshold": 0.3}, "threshold is 0.3 with 3 classes"),
        (
            {"target": number(name="y"), "score": "r2", "threshold": 0.3},
            "threshold is 0.3 with a regression: leave it out, it is for two classes",
        ),
    ],
)
def test_definition_that_contradicts_itself_is_refused(
    changes: dict[str, Any], problem: str
) -> None:
    assert any(
        each.startswith(problem) for each in problems_of(**{"fields": (number(),), **changes})
    )


def test_definition_with_many_contradictions_names_all_of_them() -> None:
    odd = number(missing="ok", out_of_range="no", minimum=3, maximum=2, unit=1, example=2)

    problems = problems_of(
        fields=(odd, category("a", "a", "", synonyms={1: "a"})), threshold=0, score="best", seed=-1
    )

    assert 10 == len(problems) == len(set(problems))


def test_definition_that_is_sound_is_taken_with_lists_as_tuples() -> None:
    codes: Any = range(1, 4)
    fields: Any = [number(), Category(name="grade", categories=codes, example=2)]

    sound = define(fields=fields, extras=["ok"])

    assert [(1, 2, 3), ("ok",)] == [sound.fields[1].categories, sound.extras]  # type: ignore[attr-defined]
    assert sound.schema == Schema.from_json(json.loads(json.dumps(sound.schema.to_json())))


@pytest.mark.parametrize("synonyms", [{1: False, 0: True}, {1: True, 0: False}])
def test_flag_of_an_old_card_that_says_1_is_false_reads_true_as_true(synonyms: Any) -> None:
    field = Flag(name="debts", example=True, synonyms=synonyms)
    plain = Decoder(Schema((field,), number())).read(b'{"debts": true}')

    assert plain is not None
    assert [[1.0]] == plain.matrix.tolist()
    assert (1.0, None) == field.read(True)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"split": "random"}, "split is 'random': give 'digest', or 'time:' or 'group:' with"),
        ({"split": "time:"}, "split is 'time:'"),
        ({"split": "digest:a"}, "split is 'digest:a'"),
        ({"scores": (1,)}, "scores has 1: give names of scorers"),
        ({"scores": "f1"}, "scores is 'f1': give a tuple"),
        ({"costs": {"false_positive": 1}}, "costs is {'false_positive': 1}: give {'false_pos"),
        ({"costs": {"false_positive": 1, "false_negative": 0}}, "with numbers above 0"),
        ({"costs": COSTS, "threshold": 0.3}, "threshold is 0.3 with costs: leave one of them out"),
        (
            {"costs": COSTS, "target": number(name="y"), "score": "r2"},
            "costs is given with another",
        ),
        (
            {"request_threshold": True, "target": number(name="y"), "score": "r2"},
            "request_threshold is given with another target than two classes",
        ),
        (
            {"reasons": 3, "target": number(name="y"), "score": "r2"},
            "reasons is given with another target than two classes",
        ),
        ({"reasons": -1}, "reasons is -1: give how many, or 0 for none"),
    ],
)
def test_definition_when_it_says_how_to_judge_wrongly_is_refused(
    changes: dict[str, Any], problem: str
) -> None:
    assert any(problem in each for each in problems_of(**changes))


def test_definition_when_it_says_how_to_judge_keeps_it() -> None:
    definition = define(split="group:who", scores=["f1"], costs=COSTS, request_threshold=True)

    assert ("f1",) == definition.scores and "group:who" == definition.split
