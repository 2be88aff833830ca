"""What runs by itself, on a schedule or at a command: each job is ``python -m jobs.<name>``."""
