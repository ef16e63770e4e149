"""Sources that no client sends: files of other servers, and sources that are stored already."""
