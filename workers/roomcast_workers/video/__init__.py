"""Steps that process a video, or audio alone."""
