"""The application over a store, as the tests make it."""

from typing import Any

from flask import Flask

from app import create_app
from persistence.model_persistence import ModelStore
from settings import Settings


def serve(store: ModelStore, default: str, **settings: Any) -> Flask:
    """Make the application over a store."""
    settings = {"keys_file": store.root / "no-keys.json", **settings}
    app = create_app(Settings(model_store=store.root, default_model=default, **settings))
    # Failures are answered as in production, not raised into the test.
    app.testing = False
    return app
