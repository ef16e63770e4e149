"""Read a source: its streams, what they really contain, and a copy where ffmpeg cannot use the file as it is."""
