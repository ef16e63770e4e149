-- Ask the holder of an upload to cancel it; answer the upload.
local id = ARGV[2]
local held = redis.call('HEXISTS', key('upload', id), 'token') == 1
if held then redis.call('HSET', key('upload', id), 'cancel', '1') end
return {held and 'requested' or 'free', exact(now), snapshot(id)}
