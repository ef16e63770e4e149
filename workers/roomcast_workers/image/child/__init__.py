"""Convert one untrusted image into web formats, as a sandboxed program of its own.

The only code in which Pillow reads an upload. Imports nothing of ours from outside this package; from outside, only
`plan` is imported.
"""
