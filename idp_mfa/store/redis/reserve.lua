#!lua
-- One try from every budget, or from none.
-- KEYS: one for each budget, the epoch. ARGV: for each budget "window" or "bucket", its size, its
-- milliseconds, the tries that a window is taken to have spent already where a loss was seen, for so
-- many milliseconds after it (0, 0: none); then whether the caller's node has used this store before.
-- Answer: {1, tries left}, or {0, milliseconds of the epoch, number of the budget}.
-- A window holds a count and dies with its span; a bucket holds the time when it will be full again.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local latest, blocking, left = now, 0, nil
local fresh, full_at = {}, {}
local lost

for i = 1, #KEYS - 1 do
  local key, first = KEYS[i], 5 * i - 4
  local kind, size, span = ARGV[first], tonumber(ARGV[first + 1]), tonumber(ARGV[first + 2])
  local assumed, within = tonumber(ARGV[first + 3]), tonumber(ARGV[first + 4])
  local kept = redis.call('GET', key)
  if kept and not string.match(kept, '^%d+$') then
    return redis.error_reply('NOTANUMBER a counter holds no number')
  end
  local number = tonumber(kept or '0')
  if not kept and assumed > 0 then
    lost = lost or lost_at(KEYS[#KEYS], ARGV[#ARGV], false)
    if not lost then
      return redis.error_reply(NO_RUN)
    end
    if lost > 0 and now - lost < within then
      number = assumed
    end
  end
  local remaining, free_at
  if kind == 'window' then
    fresh[i] = not kept and number + 1
    remaining = size - number - 1
    free_at = now
    if remaining < 0 then
      local ttl = redis.call('PTTL', key)
      if ttl < 0 then
        -- Nobody but a hand from outside makes a count that never ends.
        redis.call('PEXPIRE', key, span)
        ttl = span
      end
      free_at = now + math.max(ttl, 1)
    end
  else
    full_at[i] = math.min(math.max(number, now), now + size * span) + span
    remaining = math.floor((now + size * span - full_at[i]) / span)
    free_at = full_at[i] - size * span
  end
  if free_at > latest then
    latest, blocking = free_at, i
  end
  if not left or remaining < left then
    left = remaining
  end
end

if blocking > 0 then
  return {0, latest, blocking}
end

for i = 1, #KEYS - 1 do
  local key = KEYS[i]
  if full_at[i] then
    redis.call('SET', key, string.format('%.0f', full_at[i]), 'PX', string.format('%.0f', full_at[i] - now))
  elseif fresh[i] then
    redis.call('SET', key, string.format('%.0f', fresh[i]), 'PX', ARGV[5 * i - 2])
  else
    redis.call('INCR', key)
  end
end
return {1, left}
