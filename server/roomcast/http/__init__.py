"""HTTP: bytes in, state out, one shape of error."""
