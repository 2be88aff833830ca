"""From a model that was fitted elsewhere to a version: recognised, opened, described, judged."""
