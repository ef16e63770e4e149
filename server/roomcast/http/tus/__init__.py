"""The tus protocol for resumable uploads."""
