-- Read an upload, to work out its next record.
return {'loaded', exact(now), snapshot(ARGV[2])}
