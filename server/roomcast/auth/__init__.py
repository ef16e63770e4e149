"""Tokens: what is in them, and the keys that they are verified with."""
