"""The OpenAPI and AsyncAPI documents, made of the code's own types and operations, and the page that shows them."""
