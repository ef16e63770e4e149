"""From the ledger's notifications to the subscribers of this process: rooms and streams."""
