#!lua
-- roll: a day rolled up from its 24 hours (CONTRACT.md, compaction).
--
-- KEYS  meta, the day's manifest, temporary, the day's cells, then the manifests of its 24 hours
-- ARGV  cfg, the highest floor at which this may still be done, new pid, new version,
--       fields written to the temporary, expire at,
--       then 24 x (pid, version) of each hour's one partial ('' and '': it has none)
-- Says  {'OK'}  {'CONFIG', stored}  {'FLOOR', floor}
--       {'LOST', what}: an hour is not as it was read, or the temporary not as it was written
-- The hours stay. Any commit into one of them deletes the day's manifest.

local FIXED_KEYS, FIXED_ARGS, HOURS = 4, 6, 24
local meta, day, temporary, cells = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local until_floor, pid, version = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local size, expire = tonumber(ARGV[5]), tonumber(ARGV[6])
if #KEYS ~= FIXED_KEYS + HOURS or #ARGV ~= FIXED_ARGS + 2 * HOURS or
	not (until_floor and expire) or not size or size < 1 then
	return redis.error_reply('HOURGLASS roll: arguments')
end

local stored = redis.call('HMGET', meta, 'cfg', 'floor')
if stored[1] ~= ARGV[1] then
	return {'CONFIG', stored[1] or ''}
end
if tonumber(stored[2] or '0') > until_floor then
	return {'FLOOR', stored[2]}
end
for i = 1, HOURS do
	local manifest, at = KEYS[FIXED_KEYS + i], FIXED_ARGS + 2 * i - 1
	local listed = ARGV[at] == '' and 0 or 1
	if redis.call('HLEN', manifest) ~= listed or
		listed == 1 and redis.call('HGET', manifest, ARGV[at]) ~= ARGV[at + 1] then
		return {'LOST', 'source'}
	end
end
if redis.call('HLEN', temporary) ~= size then
	return {'LOST', 'size'}
end

local now = tonumber(redis.call('TIME')[1])
expire = string.format('%d', math.max(expire, now + 3600))
-- One name for all of a day's versions: what a deleted manifest leaves behind is overwritten.
redis.call('UNLINK', cells)
redis.call('RENAME', temporary, cells)
redis.call('EXPIREAT', cells, expire)
redis.call('DEL', day)
redis.call('HSET', day, pid, version)
redis.call('EXPIREAT', day, expire)
return {'OK'}
