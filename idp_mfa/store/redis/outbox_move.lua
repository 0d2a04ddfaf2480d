#!lua
-- KEYS: the queue it waits in, the queue of those that are due. ARGV: its id, its time in
-- milliseconds, milliseconds to live. A letter that waits no more is not moved.
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
