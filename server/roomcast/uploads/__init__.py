"""The heart that the web and worker processes share: knows no HTTP, no Socket.IO, no ffmpeg."""
