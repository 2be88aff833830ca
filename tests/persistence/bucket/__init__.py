"""Tests of persistence/bucket."""
