"""Versions in a bucket, behind a verified cache."""
