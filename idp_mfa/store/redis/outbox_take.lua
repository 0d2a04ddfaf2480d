#!lua
-- KEYS: the letters, how often each was tried, the queue of those that are due.
-- ARGV: now and the time until which they are in hand, in milliseconds; how many; milliseconds to live.
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])) do
  local letter = redis.call('HGET', KEYS[1], id)
  if letter then
    redis.call('ZADD', KEYS[3], ARGV[2], id)
    local tries = redis.call('HINCRBY', KEYS[2], id, 1) - 1
    redis.call('PEXPIRE', KEYS[2], ARGV[4])
    taken[#taken + 1] = {id, letter, tries}
  else
    redis.call('ZREM', KEYS[3], id)
  end
end
return taken
