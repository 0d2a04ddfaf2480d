#!lua
-- KEYS: the key. ARGV: the number, milliseconds to live.
local kept = redis.call('GET', KEYS[1])
if kept and not string.match(kept, '^%d+$') then
  return redis.error_reply('NOTANUMBER a counter holds no number')
end
if kept and tonumber(kept) >= tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
