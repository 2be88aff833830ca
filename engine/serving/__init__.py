"""Versions in memory, and the one function that predicts; nothing here knows HTTP frameworks."""
