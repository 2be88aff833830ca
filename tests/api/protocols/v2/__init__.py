"""Tests of api/protocols/v2."""
