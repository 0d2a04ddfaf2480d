#!lua
-- KEYS: the key. ARGV: what it must hold, what it then holds, milliseconds to live.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  return 1
end
return 0
