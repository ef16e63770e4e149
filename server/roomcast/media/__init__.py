"""The media store: where bytes live. The contract is in `contract.py`; `directory.py` and `s3/` implement it."""
