"""Reading: what a model says of words, layers and steps, as maps and numbers."""
