#!lua
-- KEYS: the key, the epoch. ARGV: the number, milliseconds to live, milliseconds of the time step
-- that the number counts or 0, whether the caller's node has used this store before (1 or 0).
-- The epoch holds which run of the server it is, and when a loss was seen, 0 for never. After a
-- restart, a failover or a flush nobody knows which steps were used: those that could have been are
-- refused, up to the one after the step in which the loss was seen. Clocks may be 10 seconds apart.
local number, span = tonumber(ARGV[1]), tonumber(ARGV[3])
if span > 0 then
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  if not run then
    return redis.error_reply('NORUNID the server does not say which run it is')
  end
  local epoch = redis.call('GET', KEYS[2])
  local known, lost = string.match(epoch or '', '^(%x+) (%d+)$')
  if known ~= run then
    lost = '0'
    if epoch or ARGV[4] == '1' then
      local clock = redis.call('TIME')
      lost = string.format('%.0f', tonumber(clock[1]) * 1000)
    end
    redis.call('SET', KEYS[2], run .. ' ' .. lost)
  end
  if lost ~= '0' and number <= math.floor((tonumber(lost) + 10000) / span) + 1 then
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
