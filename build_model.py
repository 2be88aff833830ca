"""Train a model and store it as a new version.

For instance::

    python build_model.py credit
    python build_model.py credit --data applicants.csv --promote if-better --version v3
    python build_model.py churn --from churn.csv --target Churn
    python build_model.py churn --import model.joblib --data sample.csv --target Churn

The third first writes ``models/churn.py``; the last only makes a version of a fitted model.

Exit codes: 0 a version was stored, and promoted or not as ``--promote`` says;
1 none was stored; 2 wrong usage; 3 a version was stored, but another one was
promoted or took its name meanwhile.
"""

import argparse
import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.languages import choose_by_environment
from engine.languages import gettext as _
from persistence.database import DatabaseError, hide_passwords, without_password
from persistence.model_persistence import ModelStore
from persistence.names import NAME, VERSION_NAME
from persistence.place import VersionExists
from persistence.promotions import PromotionConflict
from persistence.store_errors import ModelNotFound, StoreError
from settings import InvalidSettings, Settings, print_any_word

if TYPE_CHECKING:
    from engine.schema.definition import ModelDefinition
    from engine.training.provenance import Origin

#: One thread and one hash seed: the same data, code and lock give the same pipeline and export.
PINNED = {
    "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    choose_by_environment(os.environ)
    options = _parser().parse_args(arguments)
    try:
        settings = Settings.from_environment()
    except InvalidSettings as error:
        return _fail(error)
    name = options.model or settings.default_model
    is_named = NAME.fullmatch(options.model or "") and name != "schema"
    if (options.place or options.fitted) and not is_named:
        text = _("a model cannot be called {!r}: give it small letters, digits and _, as in churn")
        return _fail(text.format(options.model or ""), code=2)
    if options.fitted is not None and (options.data is None or options.place is not None):
        return _fail(_("--import needs --data, rows that the model takes, and no --from"), code=2)
    if options.version and not VERSION_NAME.fullmatch(options.version):
        text = _("a version cannot be called {!r}: give it small letters and digits, as in v3")
        return _fail(text.format(options.version), code=2)
    if options.place is not None and (code := _write_model_file(options)):
        return code
    store = ModelStore(
        settings.model_store, cache=settings.model_cache, signing_key=settings.signing_key
    )
    if options.if_absent:
        try:
            print(_("{}: version {} is there").format(name, store.promoted(name)))
            return 0
        except ModelNotFound:
            pass
        except StoreError as error:
            return _fail(error)
    try:
        return _train(store, name, options, settings)
    except KeyboardInterrupt:
        return _fail(_("stopped from outside; nothing is promoted"))


def _write_model_file(options: argparse.Namespace) -> int:
    """Write a model's file from a table; return the exit code, 0 to go on."""
    import models

    try:
        from engine.training.infer.draft import propose_target
        from engine.training.infer.source import UnreadableTable
        from engine.training.infer.write import ModelFileDiffers, write_model_file
    except ModuleNotFoundError as error:
        return _fail(_("{} is not installed: pip install -r requirements.txt").format(error.name))
    try:
        place, target = without_password(options.place), options.target
        if not target and sys.stdin.isatty():
            likeliest, columns = propose_target(place, options.table)
            print(_("the columns are {columns}").format(columns=", ".join(columns)))
            target = input(_("which one to predict? [{}] ").format(likeliest)).strip() or likeliest
        file = Path(models.__file__).parent / f"{options.model}.py"
        write_model_file(
            file, place, target, table=options.table, say=print,
            overwrite=options.overwrite, family=options.estimator, seed=options.seed,
            minutes=options.minutes,
        )  # fmt: skip
    except ModelFileDiffers as error:
        print(error)
        return 1
    except (DatabaseError, UnreadableTable, OSError) as error:
        return _fail(error)
    except MemoryError:
        return _fail(_("the table does not fit into memory: give a sample of it, or more memory"))
    except (KeyboardInterrupt, EOFError):
        return _fail(_("stopped from outside; nothing is written"))
    importlib.invalidate_caches()
    return 0


def _train(store: ModelStore, name: str, options: argparse.Namespace, settings: Settings) -> int:
    """Train as the options say; whatever stops it is a sentence. Return the exit code."""
    try:
        from engine.schema.definition import InvalidDefinition
        from engine.training.export.runtime_choice import PipelineRejectsRecord
        from engine.training.failures import TrainingFailed, explained
        from engine.training.provenance import Origin
        from engine.training.table import InvalidTable
        from models import UnknownModel
    except ModuleNotFoundError as error:
        return _fail(_("{} is not installed: pip install -r requirements.txt").format(error.name))

    sentences = (
        InvalidDefinition, InvalidTable, OSError, PipelineRejectsRecord, PromotionConflict,
        StoreError, UnknownModel,
    )  # fmt: skip
    origin = Origin(settings.trained_by, settings.source_version)
    try:
        if store.keys:  # A key that cannot sign stops the run before the training.
            store.keys.sign(b"")
        if options.version:
            _refuse_name(store, name, options.version, options.promote)
        with explained("training", name, passing=sentences, file=options.fitted):
            build(
                store, name, data=options.data, promote=options.promote, origin=origin,
                with_importances=options.importances == "on", fitted=options.fitted,
                target=options.target, trust=options.trust, version_name=options.version,
            )  # fmt: skip
    except InvalidDefinition as error:
        return _fail(_("models/{}.py contradicts itself:").format(name) + f"\n{error}")
    except (*sentences, TrainingFailed) as error:
        if options.traceback:
            traceback.print_exc()
        return _fail(error, code=3 if isinstance(error, PromotionConflict) else 1)
    return 0


def build(
    store: ModelStore, name: str, *, data: Path | None, promote: str,
    origin: "Origin | None" = None, with_importances: bool = True, fitted: Path | None = None,
    target: str = "", trust: str = "", version_name: str = "",
) -> str:  # fmt: skip
    """Train a model, by default on its sample, store the version and return its name.

    Promote it "always", "never", or "if-better": if it is shown to be better than
    the promoted version, on the same held-out rows. Raise `PromotionConflict` if
    another version was promoted, or got the version's name, meanwhile; the new version is
    stored all the same.
    With the file of a `fitted` model nothing is trained: see `engine.training.fitted.bring`.
    """
    from engine.training.fitted.bring import bring
    from engine.training.provenance import Origin, traced
    from engine.training.steps import step
    from engine.training.train import train

    settled: dict[str, Any] = {
        "step": step, "store": store, "promote": promote, "with_importances": with_importances,
        "origin": traced(name, origin or Origin()),
    }  # fmt: skip
    if fitted is not None:
        print(_("{name}: importing {fitted}").format(name=name, fitted=fitted), flush=True)
        trained = bring(name, fitted, data or Path(), target, trust=trust, **settled)
    else:
        definition, source = _defined(name, data, store)
        print(_("{name}: training on {source}").format(name=name, source=source), flush=True)
        trained = train(name, definition, source, **settled)
    with step("store") as say:
        version = store.write(trained.card, trained.files)
        say(_("version {} in {}").format(version, f"{store.place}/{name}/{version}"))
    with step("promote") as say:
        challenge = trained.card["challenge"]
        try:
            if challenge["promote"]:
                champion = None if promote == "always" else challenge["champion"] or ""
                store.promote(name, version, expected=champion)
                say(_("{version} is served by default").format(version=version))
            else:
                say(challenge["reason"])
        finally:  # a version that is not promoted has its name all the same
            if version_name:
                store.give_name(name, version, version_name)
                say(_("{version} has the name {name}").format(version=version, name=version_name))
    return version


def _refuse_name(store: ModelStore, name: str, version_name: str, promote: str) -> None:
    """Raise VersionExists, before anything is trained, where a version cannot have a name."""
    try:
        if owner := store.pointer(name).named.get(version_name):
            text = _("{name} has a version {version_name} already, {owner}: give another name")
            raise VersionExists(text.format(name=name, version_name=version_name, owner=owner))
    except ModelNotFound:
        if promote == "never":
            text = _("names are kept beside what is promoted, and nothing of {name} is: promote "
                     "its first version")  # fmt: skip
            raise VersionExists(text.format(name=name)) from None


def _defined(name: str, data: Path | None, store: ModelStore) -> "tuple[ModelDefinition, Path]":
    """Return what a model file defines, and the table to learn from."""
    from engine.schema.definition import InvalidDefinition
    from engine.training.failures import explained
    from engine.training.fitted.bring import imported_from
    from models import UnknownModel, find

    try:
        with explained("", name, passing=(InvalidDefinition, UnknownModel)):
            definition = find(name)
    except UnknownModel as error:
        file = imported_from(store, name)
        text = _("{0} was imported from {1}: import a newer one, or write models/{0}.py")
        raise UnknownModel(text.format(name, file) if file else str(error)) from error
    source = data or definition.sample
    if not source.exists():
        raise FileNotFoundError(_("there is no data file {}: name one with --data").format(source))
    return definition, source


def _fail(reason: object, *, code: int = 1) -> int:
    print(f"build_model: {hide_passwords(str(reason))}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=_("Train a model and store it as a new version."))
    parser.add_argument("model", nargs="?", help=_("a file in models/, by default DEFAULT_MODEL"))
    parser.add_argument("--data", type=Path, help=_("the table; by default the model's sample"))
    _add_table_options(parser)
    _add_import_options(parser)
    parser.add_argument(
        "--promote", choices=("always", "if-better", "never"), default="always",
        help=_("whether the new version is served by default (always)"),
    )  # fmt: skip
    parser.add_argument(
        "--version", default="", metavar="NAME",
        help=_("a name for the new version, as v3, by which it is found; none has it yet"),
    )  # fmt: skip
    parser.add_argument("--if-absent", action="store_true", help=_("do nothing if one is promoted"))
    parser.add_argument(
        "--importances", choices=("on", "off"), default="on",
        help=_("whether to measure how much each field matters, which takes long with many (on)"),
    )  # fmt: skip
    parser.add_argument("--traceback", action="store_true", help=_("show where the code fails"))
    return parser


def _add_table_options(parser: argparse.ArgumentParser) -> None:
    table = parser.add_argument_group(_("write a model file from a table first"))
    table.add_argument(
        "--from", dest="place", metavar="TABLE",
        help=_("write models/MODEL.py from a table first (CSV, TSV, JSON lines, Parquet, Excel, or "
               "the address of a database)"),
    )  # fmt: skip
    table.add_argument("--table", default="", help=_("the table or view of a database"))
    table.add_argument("--target", default="", help=_("the column that is predicted"))
    table.add_argument("--overwrite", action="store_true", help=_("replace a file that differs"))
    table.add_argument(
        "--estimator", default="", choices=("linear", "boosting", "lightgbm", "xgboost", "forest"),
        help=_("compare only estimators of this kind"),
    )  # fmt: skip
    table.add_argument("--minutes", type=float, default=1.0, help=_("how long to compare them (1)"))
    table.add_argument("--seed", type=int, default=0, help=_("decides split and estimator (0)"))


def _add_import_options(parser: argparse.ArgumentParser) -> None:
    fitted = parser.add_argument_group(_("make a version of a fitted model, and train nothing"))
    fitted.add_argument(
        "--import", dest="fitted", type=Path, metavar="FILE",
        help=_("the model's file or MLflow folder; --data has rows of it, with the --target"),
    )  # fmt: skip
    fitted.add_argument(
        "--trust", nargs="?", const="yes", default="", choices=("yes", "unguarded"),
        help=_("open a pickle, which runs its code, in a process that is shut (or unguarded)"),
    )  # fmt: skip


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in PINNED.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **PINNED})  # noqa: S606
    print_any_word()
    sys.exit(main())
