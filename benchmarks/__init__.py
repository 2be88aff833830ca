"""How fast the service answers, beside others and by itself: for people, nothing imports it."""
