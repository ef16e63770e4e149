"""Dispatch: wakes workers. The contract is in `contract.py`; `in_process.py` and `taskiq_streams.py` implement it."""
