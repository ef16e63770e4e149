-- Read an upload.
return {'loaded', exact(now), snapshot(ARGV[2])}
