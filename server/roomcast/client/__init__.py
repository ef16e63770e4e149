"""A client of Roomcast for Python: small, async, and light to import. Begin with `roomcast.client.client`."""
