"""Roomcast: takes uploads, compresses and stores them, and reports their progress to a Socket.IO room.

From low to high; a module imports only from lower layers:

``errors``                          the errors that clients can get.
``runtime/`` ``transport/``         tasks, files, processes, Redis and SQLite connections; the Engine.IO server.
``uploads/``                        the domain: lifecycle, messages, templates. Pure.
``settings/`` ``ledger/`` ``media/`` ``dispatch/``   where state is stored, where bytes are stored, what wakes workers.
``assemblies/`` ``fanout/`` ``auth``   submissions and webhooks; from the ledger to subscribers; tokens.
``dialects/``                       the same state in the JSON of other clients. Pure.
``services/``                       what HTTP, Socket.IO and the workers share.
``http/`` ``rooms/``                the HTTP routes; the Socket.IO server. The workers are in ``roomcast_workers``.
``api_docs/`` ``app``               the API's description; where everything is put together.
``client/`` ``cli/``                the Python client, and the command line that uses it.
"""
