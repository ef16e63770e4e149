"""The environment variables that hold settings, and sentences about those that are wrong or have no effect."""
