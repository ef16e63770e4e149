"""ffmpeg and ffprobe: which programs, the commands they run, how they are run, and what they report."""
