"""Steps that process an image."""
