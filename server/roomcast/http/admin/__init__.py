"""The admin page's routes."""
