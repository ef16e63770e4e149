"""Server-sent events: the routes, the open streams, and the format."""
