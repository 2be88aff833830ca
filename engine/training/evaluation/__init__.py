"""How good a fitted pipeline is: scores, intervals, champion and challenger."""
