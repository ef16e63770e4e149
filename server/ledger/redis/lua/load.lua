-- Read an upload, to work out its next record.
return {'', exact(now), snapshot(ARGV[2])}
