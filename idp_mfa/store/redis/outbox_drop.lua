#!lua
-- KEYS: the letters, how often each was tried, the queue of those that are due, the queue of those
-- that wait for a change. ARGV: the id of one that is done with.
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
return 1
