"""What is remembered: the trained versions of every model."""
