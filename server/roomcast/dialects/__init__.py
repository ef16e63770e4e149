"""Dialects: the state of an upload in the shapes that other kinds of client expect; a pure module each."""
