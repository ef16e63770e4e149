"""Assemblies: the uploads of one submission under one template."""
