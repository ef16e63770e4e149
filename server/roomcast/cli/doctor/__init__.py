"""The command `roomcast doctor`: name the settings of a proxy that break uploads and their progress."""
