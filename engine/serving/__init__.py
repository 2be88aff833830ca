"""Versions in memory, and the function that predicts; nothing here knows an HTTP framework."""
