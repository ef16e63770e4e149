"""Confine programs that read untrusted media."""
