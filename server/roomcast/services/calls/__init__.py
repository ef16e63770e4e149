"""Calls between the web processes of a deployment."""
