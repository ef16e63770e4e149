-- Return the counts of the minutes from `first` on in which something happened: pairs of minute and hash.
local found = {}
for minute = tonumber(ARGV[2]), math.floor(now / 60) do
  local counts = redis.call('HGETALL', key('history', string.format('%d', minute)))
  if #counts > 0 then found[#found + 1] = {minute, counts} end
end
return found
