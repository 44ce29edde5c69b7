#!lua
-- stage: a piece of a new partial, under a name that no reader knows (CONTRACT.md, compaction).
--
-- KEYS  the temporary key
-- ARGV  seconds it lives from now on, then (field, blob)...
-- Says  {'OK', fields that were not there before}
-- A key of this kind never lacks a time to live: what is not finished goes away by itself.

local CHUNK = 1000 -- pairs a call; unpack() ends near 8,000 values

if #KEYS ~= 1 or #ARGV < 3 or #ARGV % 2 ~= 1 or not tonumber(ARGV[1]) then
	return redis.error_reply('HOURGLASS stage: arguments')
end
local added = 0
for first = 2, #ARGV, 2 * CHUNK do
	local last = math.min(first + 2 * CHUNK - 1, #ARGV)
	added = added + redis.call('HSET', KEYS[1], unpack(ARGV, first, last))
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return {'OK', tostring(added)}
