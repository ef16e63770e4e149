"""What a process needs to live, whatever it does: background tasks and child programs.

``tasks``     background tasks, and the end of the process when one of them dies.
``programs``  child programs, started without Python code between fork and exec.
"""
