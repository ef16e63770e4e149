-- Return a record; false if there is none.
return read_record(ARGV[2], ARGV[3])
