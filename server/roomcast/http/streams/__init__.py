"""Server-sent events and polling."""
