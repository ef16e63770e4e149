"""Dispatch wakes workers. The contract stands in ``contract``; ``in_process`` and ``taskiq_streams`` implement it."""
