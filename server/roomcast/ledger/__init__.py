"""Stores of the state, events and lease of every upload."""
