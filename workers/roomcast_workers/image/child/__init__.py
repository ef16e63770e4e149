"""Convert one untrusted image into web formats, as a sandboxed program of its own.

Only here does Pillow read an upload. Imports nothing of ours from outside; outside, only `plan` is imported.
"""
