-- Return the plan of a film and the state of every task.
local id = ARGV[2]
if redis.call('EXISTS', key('upload', id)) == 0 then return {'missing', exact(now), false} end
if redis.call('EXISTS', key('plan', id)) == 0 then return {'no plan', exact(now), false} end
return {'read', exact(now), read_board(id)}
