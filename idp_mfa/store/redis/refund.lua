#!lua
-- One try back to every budget; those without numbers are forgotten.
-- KEYS: one for each budget. ARGV: for each budget "window" or "bucket", its size, its milliseconds.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

for i, key in ipairs(KEYS) do
  local kept = redis.call('GET', key)
  if not ARGV[3 * i] then
    redis.call('DEL', key)
  elseif kept then
    if not string.match(kept, '^%d+$') then
      return redis.error_reply('NOTANUMBER a counter holds no number')
    end
    if ARGV[3 * i - 2] == 'window' then
      if tonumber(kept) > 0 then
        redis.call('DECR', key)
      end
    else
      local full_at = tonumber(kept) - tonumber(ARGV[3 * i])
      if full_at > now then
        redis.call('SET', key, string.format('%.0f', full_at), 'PX', string.format('%.0f', full_at - now))
      else
        redis.call('DEL', key)
      end
    end
  end
end
return 1
