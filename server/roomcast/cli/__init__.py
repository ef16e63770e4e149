"""The command `roomcast`: serve and work, and send, watch and cancel from a terminal. `main` holds the commands."""
