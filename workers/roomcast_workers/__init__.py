"""Roomcast's workers: claim an upload, compress it, store it, say the truth about it all the way.

``run``        claim, lease, retry, hand back on SIGTERM.
``pipeline``   the steps of one upload, in order.
``probe``, ``video``, ``image``   what to do: pure where it can be.
``ffmpeg``     the only place that starts ffmpeg; ``progress`` parses what it reports.
``tool``       one confined process group, from start to certain end.
``sandbox``    limits on untrusted media.
"""
