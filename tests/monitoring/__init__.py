"""Answers looked at later."""
