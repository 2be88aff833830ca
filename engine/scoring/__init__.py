"""How good answers are beside the truth, with intervals."""
