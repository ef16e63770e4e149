-- Rename keys of an earlier schema: pairs of the old and the new name. A sorted set is merged into an existing one.
for at = 2, #ARGV, 2 do
  local old, new = ARGV[at], ARGV[at + 1]
  if redis.call('EXISTS', old) == 1 then
    if redis.call('TYPE', new).ok == 'zset' then
      redis.call('ZUNIONSTORE', new, 2, old, new, 'AGGREGATE', 'MIN')
      redis.call('DEL', old)
    else
      redis.call('RENAME', old, new)
    end
  end
end
return 'renamed'
