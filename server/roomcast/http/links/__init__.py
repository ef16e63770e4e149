"""Lasting links to uploads: making and revoking them, and the pages that they lead to."""
