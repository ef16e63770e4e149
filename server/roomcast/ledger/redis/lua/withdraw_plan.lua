-- Delete the plan of a film under the upload's lease.
local id, token = ARGV[2], ARGV[3]
local state = lease_state(id, token)
if state == 'current' then delete_plan(id) end
return {state, exact(now), true}
