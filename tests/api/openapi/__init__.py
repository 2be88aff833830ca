"""Tests of api/openapi."""
