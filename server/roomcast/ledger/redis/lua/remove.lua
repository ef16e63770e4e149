-- Delete the rest of an upload that was deleted.
if redis.call('HGET', key('upload', ARGV[2]), 'stage') == 'deleted' then delete(ARGV[2]) end
return 'removed'
