"""Which model for these data: what frozen features, word counts and more labels would give."""
