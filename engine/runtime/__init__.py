"""A stored version opened, checked and run."""
