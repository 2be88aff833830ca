"""From a fitted pipeline to the arrays that are evaluated as they are, bit for bit."""
