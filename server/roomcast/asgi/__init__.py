"""Serve an ASGI application, such as Django's or FastAPI's, beside Roomcast: in the same process, on the same port."""
