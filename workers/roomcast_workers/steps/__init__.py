"""The steps that every upload goes through, their order, and how each is run."""
