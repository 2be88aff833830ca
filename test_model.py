"""Check model files, and that stored versions load and answer; not a test suite.

For instance::

    python test_model.py            every file in models/
    python test_model.py credit     the model in that file
    python test_model.py --all      every stored version of every model

Exit codes: 0 all is well; 1 something is wrong, and the output says what.
"""

import os
import sys
from collections.abc import Iterator

import models
from engine.languages import choose_by_environment, local_number
from engine.languages import gettext as _
from engine.runtime.loading import check_version, load_version
from engine.schema.definition import InvalidDefinition
from engine.schema.messages import rounded
from engine.training.failures import TrainingFailed, explained
from persistence.model_persistence import ModelStore
from persistence.store_errors import ModelNotFound, StoreError
from settings import InvalidSettings, Settings, print_any_word


def main(arguments: list[str]) -> int:
    """Check the named models, or all; return the exit code."""
    choose_by_environment(os.environ)
    try:
        Settings.from_environment()
    except InvalidSettings as error:
        print(f"test_model: {error}", file=sys.stderr)
        return 1
    if arguments == ["--all"]:
        return check_versions()
    names = arguments or models.names()
    failures = sum(not check(name) for name in names)
    if not names:
        print(_("models/ describes no model yet: write models/NAME.py"))
    if failures:
        print(
            "\n"
            + _("{failures} of {names} models need a change, see WRONG above").format(
                failures=failures, names=len(names)
            )
        )
    return 1 if failures or not names else 0


def check(name: str) -> bool:
    """Check a model's file and its stored version, a line for each check."""
    print(f"{name}:")
    is_sound = True
    for is_passed, text in check_file(name):
        is_sound = is_sound and is_passed
        report(is_passed=is_passed, text=text)
    stored = check_stored(name)
    if stored is None and is_sound:
        stored = True, _("no version is stored yet: make model name={name}").format(name=name)
    if stored:
        report(is_passed=stored[0], text=stored[1])
    return is_sound and stored is not None and stored[0]


def report(*, is_passed: bool, text: str) -> None:
    """Print what a check found."""
    lines = "\n         ".join(text.splitlines())
    found = _("ok   ") if is_passed else _("WRONG")
    print(f"  {found}  {lines}", flush=True)


def check_file(name: str) -> Iterator[tuple[bool, str]]:
    """Check what a model file describes."""
    try:
        from engine.training.check import check_model
        from engine.training.fitted.bring import imported_from
    except ModuleNotFoundError as error:
        yield (
            False,
            _("{name} is not installed: pip install -r requirements.txt").format(name=error.name),
        )
        return
    try:
        with explained("", name, passing=(InvalidDefinition, models.UnknownModel)):
            definition = models.find(name)
    except InvalidDefinition as error:
        yield from ((False, f"models/{name}.py: {problem}") for problem in error.problems)
    except (models.UnknownModel, TrainingFailed) as error:
        file = isinstance(error, models.UnknownModel) and imported_from(open_store(), name)
        absence = _(
            "there is no models/{name}.py, since the model was imported from {file}"
        ).format(name=name, file=file)
        yield (True, absence) if file else (False, str(error))
    else:
        fields = len(definition.fields)
        text = _("models/{name}.py predicts {target} from {fields} fields")
        yield True, text.format(name=name, target=definition.target.name, fields=fields)
        yield from check_model(name, definition)


def check_stored(name: str) -> tuple[bool, str] | None:
    """Check that the promoted version answers its worked example; None where there is none."""
    try:
        version = load_version(open_store(), name)
        trouble = version.self_test()
    except ModelNotFound:
        return None
    except StoreError as error:
        return False, str(error)
    if trouble:
        text = _("version {version}: {trouble}; train another: make model name={name}")
        return False, text.format(version=version.version, trouble=trouble, name=name)
    score = version.card["scores"][version.card["score"]]
    value, baseline = (
        local_number(rounded(score[key]), grouped=False) for key in ("value", "baseline")
    )
    text = _(
        "version {version} answers its example: {answer} ({score} {value}, baseline {baseline})"
    )
    return True, text.format(
        version=version.version, answer=version.card["example"]["value"],
        score=version.card["score"], value=value, baseline=baseline,
    )  # fmt: skip


def check_versions() -> int:
    """Check that every stored version answers as recorded; return the exit code."""
    is_sound = True
    try:
        store = open_store()
        for name in store.stored_names():
            for version in store.versions(name):
                trouble = check_version(store, name, version)
                is_sound = is_sound and not trouble
                found = trouble or _("answers as recorded")
                print(f"{name} {version}: {found}", flush=True)
    except StoreError as error:
        print(f"test_model: {error}", file=sys.stderr)
        return 1
    return 0 if is_sound else 1


def open_store() -> ModelStore:
    """Return the store that the settings name."""
    settings = Settings.from_environment()
    return ModelStore(
        settings.model_store, cache=settings.model_cache, signing_key=settings.signing_key
    )


if __name__ == "__main__":
    print_any_word()
    sys.exit(main(sys.argv[1:]))
