"""Take the bytes of an upload: forms, raw bodies, resumable and presigned uploads."""
