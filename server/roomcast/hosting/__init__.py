"""Other applications in the same process: Roomcast below a prefix of one, and ASGI applications beside Roomcast."""
