"""Socket.IO: from the ledger's events and ticks to the rooms of this process."""
