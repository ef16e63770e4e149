"""ffmpeg and ffprobe: which programs, the commands they are given, how they are run, and what they report."""
