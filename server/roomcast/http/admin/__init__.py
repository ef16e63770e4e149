"""The admin page: its routes, access, and the board that it shows."""
