-- Return for each owner with a queue: its number of uploads at work, when it was last served, and its queue.
promote()
local queues = {}
for index, owner in ipairs(redis.call('HKEYS', key('head-of'))) do
  queues[index] = {
    redis.call('SCARD', key('working', owner)),
    redis.call('HGET', key('served'), owner) or NEVER,
    redis.call('ZRANGE', key('queue', owner), 0, -1),
  }
end
return queues
