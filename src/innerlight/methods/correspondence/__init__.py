"""Which point of another picture is this one: a file a method."""
