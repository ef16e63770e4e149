"""The API described by itself: OpenAPI and AsyncAPI out of the shapes that the code is held to, and a page of both."""
