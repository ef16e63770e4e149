"""The media store in an S3 bucket."""
