"""Tests of training/export."""
