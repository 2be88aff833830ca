"""From a table to a model file: read, columns, target, text."""
