"""What any Roomcast process needs: its entry and exit, background tasks, child programs, files, SQLite and Redis."""
