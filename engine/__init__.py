"""The machine: what a user of the template need not open."""
