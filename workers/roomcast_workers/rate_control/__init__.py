"""Choose a bitrate or a quality."""
