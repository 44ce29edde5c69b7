#!lua
-- init: a partition's meta, made once; its floor, raised as time goes (CONTRACT.md).
--
-- KEYS  meta
-- ARGV  cfg, epoch (for a new partition), retention in hours, '1' when a new one may be made
-- Says  {'OK', epoch, floor, Redis' unix seconds}  {'EMPTY'}  {'CONFIG', stored}
-- The floor is the oldest hour that may be written: Redis' own hour less the retention, so that
-- no relay's clock can move it, and never lower than it was.

local epoch, retention = ARGV[2], tonumber(ARGV[3])
if #ARGV ~= 4 or #KEYS ~= 1 or not retention or retention < 1 then
	return redis.error_reply('HOURGLASS init: arguments')
end

local stored = redis.call('HMGET', KEYS[1], 'cfg', 'epoch', 'floor')
if not stored[1] then
	if ARGV[4] ~= '1' then
		return {'EMPTY'}
	end
elseif stored[1] ~= ARGV[1] then
	return {'CONFIG', stored[1]}
end

local now = redis.call('TIME')[1]
local floor = math.max(math.floor(tonumber(now) / 3600) - retention + 1, tonumber(stored[3] or '0'))
if not stored[1] then
	redis.call('HSET', KEYS[1], 'cfg', ARGV[1], 'epoch', epoch)
	stored[2] = epoch
end
if tostring(floor) ~= stored[3] then
	redis.call('HSET', KEYS[1], 'floor', string.format('%d', floor))
end
return {'OK', stored[2] or '', string.format('%d', floor), now}
