-- Store log lines, given as pairs of id and line, with the uploads that exist.
local stored = ARGV[2]
for at = 3, #ARGV, 2 do
  local id = ARGV[at]
  if redis.call('EXISTS', key('upload', id)) == 1 then
    redis.call('XADD', key('lines', id), 'MAXLEN', '=', stored, '*', 'line', ARGV[at + 1])
  end
end
return 'added'
