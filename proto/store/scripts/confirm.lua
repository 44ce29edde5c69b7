#!lua
-- confirm: what is stored of streams, from a master that can still write (CONTRACT.md).
--
-- KEYS  meta, streams
-- ARGV  cfg, then streams
-- Says  {'OK', state ('' = absent)...} in the order asked, or {'CONFIG', stored}
-- It writes meta.confirm, so that a read-only or isolated master cannot answer.

local CHUNK = 1000

if #ARGV < 1 or #KEYS ~= 2 then
	return redis.error_reply('HOURGLASS confirm: arguments')
end
local cfg = redis.call('HGET', KEYS[1], 'cfg') or ''
if cfg ~= ARGV[1] then
	return {'CONFIG', cfg}
end

local answer = {'OK'}
for first = 2, #ARGV, CHUNK do
	local last = math.min(first + CHUNK - 1, #ARGV)
	local states = redis.call('HMGET', KEYS[2], unpack(ARGV, first, last))
	for i = 1, last - first + 1 do
		answer[#answer + 1] = string.match(states[i] or '', '^[^@]*')
	end
end
redis.call('HSET', KEYS[1], 'confirm', redis.call('TIME')[1])
return answer
