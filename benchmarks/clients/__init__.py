"""Real clients of other servers against this service: one script each, and a table."""
