"""Roomcast's workers: claim an upload, process it, store the results, and report its progress.

``worker``      claims uploads, renews their leases, retries, and hands them back on SIGTERM.
``pipeline``    processes one upload, with the step for its kind: ``video``, ``image`` or ``unchanged_file``.
``job``         what a step is given and what it returns.
``media_info``  what a file contains; pure.
``ffmpeg``      builds and runs all commands of ffmpeg and ffprobe.
``sandbox``     runs a program with limits, in a sandbox and in its own process group.
"""
