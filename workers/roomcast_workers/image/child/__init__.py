"""Turns one untrusted picture into the web's formats, as a confined program of its own: the only code that lets Pillow
read an upload. Imports nothing of ours outside this package; `plan` alone is read from outside."""
