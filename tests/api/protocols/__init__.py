"""Tests of api/protocols."""
