"""Teaching: a model that knows one thing more, as a word or in its weights."""
