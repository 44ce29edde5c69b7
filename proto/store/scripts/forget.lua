#!lua
-- forget: agents that have not been seen for long (KEYS.md).
--
-- KEYS  agents
-- ARGV  cursor of HSCAN, its COUNT, idle milliseconds
-- Says  {'OK', next cursor, agents forgotten}

local idle = tonumber(ARGV[3])
if #KEYS ~= 1 or #ARGV ~= 3 or not idle then
	return redis.error_reply('HOURGLASS forget: arguments')
end
local before = tonumber(redis.call('TIME')[1]) * 1000 - idle
local scan = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local forgotten = 0
for at = 1, #scan[2], 2 do
	local seen = tonumber(string.match(scan[2][at + 1], '^%d+ (%d+) '))
	if seen and seen < before then
		forgotten = forgotten + redis.call('HDEL', KEYS[1], scan[2][at])
	end
end
return {'OK', scan[1], tostring(forgotten)}
