#!lua
-- sweep: forgets a piece of what nobody has moved for long (CONTRACT.md).
--
-- KEYS  meta, streams, nf, nl
-- ARGV  cfg, cursor of HSCAN over the streams, its COUNT and the most names, idle seconds
-- Says  {'OK', next cursor, streams forgotten, names forgotten}  {'CONFIG', stored}
-- A stream is idle by the time in its state. A name is forgotten when its last hour is below the
-- floor: no hour that has it can be read or written any more.

local count, idle = tonumber(ARGV[3]), tonumber(ARGV[4])
if #KEYS ~= 4 or #ARGV ~= 4 or not idle or not count or count < 1 or count > 1000 then
	return redis.error_reply('HOURGLASS sweep: arguments')
end
local stored = redis.call('HMGET', KEYS[1], 'cfg', 'floor')
if stored[1] ~= ARGV[1] then
	return {'CONFIG', stored[1] or ''}
end

local before = tonumber(redis.call('TIME')[1]) - idle
local scan = redis.call('HSCAN', KEYS[2], ARGV[2], 'COUNT', count)
local streams = 0
for at = 1, #scan[2], 2 do
	local second = tonumber(string.match(scan[2][at + 1], '@(%d+)$'))
	if second and second < before then
		streams = streams + redis.call('HDEL', KEYS[2], scan[2][at])
	end
end
local names = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', '(' .. (stored[2] or '0'),
	'LIMIT', 0, count)
if #names > 0 then
	redis.call('ZREM', KEYS[3], unpack(names))
	redis.call('ZREM', KEYS[4], unpack(names))
end
return {'OK', scan[1], tostring(streams), tostring(#names)}
