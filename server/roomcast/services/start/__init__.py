"""What a process does between its start and its ready line."""
