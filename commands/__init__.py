"""What the `flask` command does, beside serving."""
