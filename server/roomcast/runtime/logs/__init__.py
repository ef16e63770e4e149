"""How a process logs, and what it prints when it is ready or cannot start: for a person at a terminal, else as JSON."""
