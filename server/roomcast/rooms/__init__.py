"""Socket.IO: the python-socketio server on our transport, the rooms of uploads, and what clients may call."""
