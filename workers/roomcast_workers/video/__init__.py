"""Steps that process a video or its sound."""
