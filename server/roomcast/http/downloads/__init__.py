"""Sending files: conditional requests and ranges."""
