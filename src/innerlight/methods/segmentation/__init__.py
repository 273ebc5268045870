"""Pictures to segments: a file a method."""
