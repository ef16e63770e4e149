-- Return the last seq of each upload; false for an unknown one.
local found = {}
for at = 2, #ARGV do found[at - 1] = redis.call('HGET', key('upload', ARGV[at]), 'seq') end
return found
