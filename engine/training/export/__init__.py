"""A fitted pipeline translated, and the translation proved equal."""
