"""What a media file contains: ffprobe's description, a scan of its packets, and truncation."""
