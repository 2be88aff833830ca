"""Tests of records/arrow."""
