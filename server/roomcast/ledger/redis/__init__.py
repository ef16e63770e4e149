"""The ledger of many processes: Redis, with every key in one hash slot and one Lua script per change."""
