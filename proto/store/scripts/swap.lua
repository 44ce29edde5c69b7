#!lua
-- swap: one new partial in the place of several of an hour (CONTRACT.md, compaction).
--
-- KEYS  meta, the hour's manifest, its day's manifest, temporary, the new cells,
--       then the cells of n sources
-- ARGV  cfg, the highest floor at which this may still be done, new pid, new version,
--       fields written to the temporary, expire at, then n x (pid, version)
-- Says  {'OK'}  {'CONFIG', stored}  {'FLOOR', floor}
--       {'LOST', what}: a source is not as it was read, or the temporary not as it was written
-- Of constant size: the cells were written before. Everything is checked before anything is written.

local FIXED_KEYS, FIXED_ARGS = 5, 6
local meta, manifest, day, temporary, cells = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local until_floor, pid, version = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local size, expire = tonumber(ARGV[5]), tonumber(ARGV[6])
local n = #KEYS - FIXED_KEYS
if n < 1 or #ARGV ~= FIXED_ARGS + 2 * n or not (until_floor and expire) or not size or size < 1 then
	return redis.error_reply('HOURGLASS swap: arguments')
end

local stored = redis.call('HMGET', meta, 'cfg', 'floor')
if stored[1] ~= ARGV[1] then
	return {'CONFIG', stored[1] or ''}
end
if tonumber(stored[2] or '0') > until_floor then
	return {'FLOOR', stored[2]}
end
local pids = {}
for i = 1, n do
	local at = FIXED_ARGS + 2 * i - 1
	pids[i] = ARGV[at]
	if redis.call('HGET', manifest, ARGV[at]) ~= ARGV[at + 1] then
		return {'LOST', 'source'}
	end
end
-- A failover may have forgotten a piece in the middle of what was written.
if redis.call('HLEN', temporary) ~= size then
	return {'LOST', 'size'}
end
if redis.call('HEXISTS', manifest, pid) == 1 or redis.call('EXISTS', cells) == 1 then
	return {'LOST', 'name'}
end

-- RENAME keeps the temporary's time to live, and a time in the past would delete on the spot.
local now = tonumber(redis.call('TIME')[1])
expire = string.format('%d', math.max(expire, now + 3600))
redis.call('RENAME', temporary, cells)
redis.call('EXPIREAT', cells, expire)
redis.call('HSET', manifest, pid, version)
redis.call('HDEL', manifest, unpack(pids))
redis.call('EXPIREAT', manifest, expire)
for i = FIXED_KEYS + 1, #KEYS do
	redis.call('UNLINK', KEYS[i])
end
redis.call('DEL', day)
return {'OK'}
