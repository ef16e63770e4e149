"""What a media file contains: ffprobe, packet scan, truncation."""
