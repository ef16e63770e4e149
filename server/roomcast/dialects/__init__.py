"""Renderings of an upload's state in the JSON of other clients, a pure module for each dialect."""
