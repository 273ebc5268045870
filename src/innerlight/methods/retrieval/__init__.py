"""This very thing in other pictures: a file a method."""
