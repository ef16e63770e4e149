"""Webhooks: telling a template's receiver how its assemblies ended, until it has heard."""
