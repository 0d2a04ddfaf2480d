#!lua
-- KEYS: the key, the epoch. ARGV: the number, milliseconds to live, milliseconds of the time step
-- that the number counts or 0, whether the caller's node has used this store before (1 or 0).
-- After a loss nobody knows which steps were used: those that could have been are refused, up to
-- the one after the step in which the loss was seen. Clocks may be 10 seconds apart.
local number, span = tonumber(ARGV[1]), tonumber(ARGV[3])
if span > 0 then
  local lost = lost_at(KEYS[2], ARGV[4], true)
  if not lost then
    return redis.error_reply(NO_RUN)
  end
  if lost > 0 and number <= math.floor((lost + 10000) / span) + 1 then
    return 0
  end
end
local kept = redis.call('GET', KEYS[1])
if kept and not string.match(kept, '^%d+$') then
  return redis.error_reply('NOTANUMBER a counter holds no number')
end
if kept and tonumber(kept) >= number then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
