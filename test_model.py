"""Check that a stored version loads and answers; not a test suite.

For instance::

    python test_model.py            the default model's promoted version
    python test_model.py credit
    python test_model.py --all      every stored version of every model
"""

import sys
from collections.abc import Mapping
from typing import Any

from engine.runtime.loading import check_version, load_version
from persistence.model_persistence import ModelStore
from persistence.store_errors import StoreError
from settings import InvalidSettings, Settings


def main(arguments: list[str]) -> int:
    """Check one model; give the exit status, 1 when it does not answer."""
    if arguments == ["--all"]:
        return check_all()
    try:
        settings = Settings.from_environment()
        name = arguments[0] if arguments else settings.default_model
        store = _store(settings)
        version = load_version(store, name)
        trouble = version.self_test()
    except (InvalidSettings, StoreError) as error:
        print(f"test_model: {error}", file=sys.stderr)
        return 1
    if trouble:
        print(f"test_model: {version.version} of {name}: {trouble}", file=sys.stderr)
        return 1
    card = version.card
    example = card["example"]
    print(f"{name}, version {version.version}, served by {card['runtime']}")
    print(f"example   {example['record']}")
    print(f"answer    {example['value']} (probability {example['probability']})")
    score = card["scores"][card["score"]]
    print(f"{card['score']}   {score['value']:.4f}, baseline {score['baseline']:.4f}")
    _print_importances("impurity", card["impurity_importances"])
    _print_importances("permutation", card["permutation_importances"])
    return 0


def check_all() -> int:
    """Check every stored version; give the exit status, 1 when one does not answer."""
    is_good = True
    try:
        store = _store(Settings.from_environment())
        for name in store.stored_names():
            for version in store.versions(name):
                trouble = check_version(store, name, version)
                is_good = is_good and not trouble
                print(f"{name} {version}: {trouble or 'answers as recorded'}")
    except (InvalidSettings, StoreError) as error:
        print(f"test_model: {error}", file=sys.stderr)
        return 1
    return 0 if is_good else 1


def _store(settings: Settings) -> ModelStore:
    return ModelStore(
        settings.model_store, cache=settings.model_cache, signing_key=settings.signing_key
    )


def _print_importances(kind: str, weights: Mapping[str, Any]) -> None:
    means = {name: w["mean"] if isinstance(w, dict) else w for name, w in weights.items()}
    for name in sorted(means, key=lambda name: -means[name]):
        print(f"{kind:<12} {name:<24} {means[name]:8.4f}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
