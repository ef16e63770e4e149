"""Films that are compressed in segments, each by itself."""
