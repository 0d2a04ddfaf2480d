#!lua
-- KEYS: the newest lines, the lines of one reference, which references there are. ARGV: the line,
-- how many newest, how many of one reference, milliseconds to live. For a line that its owner is
-- shown too: a fourth key, what they are shown, how many of it, milliseconds to live.
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[2]) - 1)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[3]), -1)
redis.call('PEXPIRE', KEYS[2], ARGV[4])
-- What a flood of sign-ins begins must not fill the server: the reference of which nothing was
-- heard for longest goes.
local now = redis.call('TIME')
redis.call('ZADD', KEYS[3], now[1] * 1000000 + now[2], KEYS[2])
redis.call('PEXPIRE', KEYS[3], ARGV[4])
if redis.call('ZCARD', KEYS[3]) > tonumber(ARGV[2]) then
  redis.call('DEL', redis.call('ZPOPMIN', KEYS[3])[1])
end
if KEYS[4] then
  redis.call('LPUSH', KEYS[4], ARGV[5])
  redis.call('LTRIM', KEYS[4], 0, tonumber(ARGV[6]) - 1)
  redis.call('PEXPIRE', KEYS[4], ARGV[7])
end
return 1
