#!lua
-- close: forgets streams that are done for good (CONTRACT.md).
--
-- KEYS  meta, streams
-- ARGV  cfg, then n x (stream, its final state)
-- Says  {'OK', streams forgotten} or {'CONFIG', stored}
-- A stream whose stored state is not the final one stays: somebody knows more than the caller.

if #ARGV % 2 ~= 1 or #KEYS ~= 2 then
	return redis.error_reply('HOURGLASS close: arguments')
end
local cfg = redis.call('HGET', KEYS[1], 'cfg') or ''
if cfg ~= ARGV[1] then
	return {'CONFIG', cfg}
end

local closed = 0
for i = 2, #ARGV, 2 do
	local state = string.match(redis.call('HGET', KEYS[2], ARGV[i]) or '', '^[^@]*')
	if state ~= '' and state == ARGV[i + 1] then
		closed = closed + redis.call('HDEL', KEYS[2], ARGV[i])
	end
end
return {'OK', tostring(closed)}
