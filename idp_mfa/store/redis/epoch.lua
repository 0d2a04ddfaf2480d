#!lua
-- When this server was seen to have lost what it was told, in milliseconds; 0 for never.
-- key: the epoch, which holds the run of the server and that moment. After a restart, a failover or
-- a flush it names another run, or none. used: whether the caller's node has used this store before
-- (1 or 0): then a store without an epoch has lost it, else it is new. begins: whether the caller
-- writes the first epoch of a new store.
local function lost_at(key, used, begins)
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  if not run then
    return nil
  end
  local epoch = redis.call('GET', key)
  local known, lost = string.match(epoch or '', '^(%x+) (%d+)$')
  if known == run then
    return tonumber(lost)
  end
  lost = '0'
  if epoch or used == '1' then
    local clock = redis.call('TIME')
    lost = string.format('%.0f', tonumber(clock[1]) * 1000)
  elseif not begins then
    return 0
  end
  redis.call('SET', key, run .. ' ' .. lost)
  return tonumber(lost)
end

local NO_RUN = 'NORUNID the server does not say which run it is'
