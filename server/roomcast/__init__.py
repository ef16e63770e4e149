"""Roomcast's web process, and the contract that it shares with the workers.

The 30-second map
-----------------
``__main__``   ``python -m roomcast``: reads the settings, serves, stops on SIGTERM.
``app``        ``build_app(settings)``: the one place where the web process is wired.
``settings``   every setting, its default, its environment variable.
``access``     who is asking, and what they may do.
``upload/``    the shared heart: lifecycle, events, errors, templates (pure); ledger, media store (I/O).
``dispatch/``  wakes workers.
``runtime/``   background tasks and child programs.
``web/``       HTTP: intake, uploads, media, pages.
``rooms/``     Socket.IO: python-socketio's server, the rooms of uploads, what clients may call.
``transport/`` the Engine.IO server under it: a library that knows nothing of Roomcast.
``fanout/``    from the ledger's notifications to the rooms and streams of this process.
``client/``    the other side: a client for Python, and ``command_line/``, which is built on it.

Read ``upload/lifecycle.py`` first: one table is the protocol. The workers live in ``workers/``.
"""
