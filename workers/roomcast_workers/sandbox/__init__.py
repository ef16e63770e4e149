"""Confinement of programs that read untrusted media: resource limits, a sandbox, and a supervised process group."""
