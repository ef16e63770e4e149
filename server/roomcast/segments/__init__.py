"""Films that are compressed in segments: their plan, what was made of them, and the playlists that lead to it. Pure."""
