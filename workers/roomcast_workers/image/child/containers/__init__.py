"""Containers of images, read and repaired before a decoder sees them: chunks, boxes and markers, never pixels."""
