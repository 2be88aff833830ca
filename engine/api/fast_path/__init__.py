"""Predictions answered on the event loop, before Flask."""
