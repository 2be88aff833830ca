"""How a version is made: read, split, fit, score, export and verify, report."""
