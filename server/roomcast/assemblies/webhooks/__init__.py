"""Webhooks: deliveries of assemblies' outcomes to the receivers that templates name, repeated until accepted."""
