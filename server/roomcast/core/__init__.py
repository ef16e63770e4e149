"""What a web process is built on, below HTTP and Socket.IO."""
