"""Tests of what becomes of predictions."""
