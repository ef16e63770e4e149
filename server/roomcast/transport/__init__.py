"""A lean Engine.IO server for python-socketio, on asyncio. A library of its own: it imports nothing of Roomcast's."""
