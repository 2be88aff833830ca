"""Tests of api/fast_path."""
