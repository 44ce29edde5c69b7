#!lua
-- open: what is stored of streams; a stream nobody knows gets a fresh nonce (CONTRACT.md).
--
-- KEYS  meta, streams
-- ARGV  cfg, then n x (stream, base seq, nonce in 16 hex digits)
-- Says  {'OK', state...} in the order asked, or {'CONFIG', stored}
-- The nonce makes bytes of a stopped relay's socket worthless: what they build on is not there.

local CHUNK = 1000

if #ARGV % 3 ~= 1 or #KEYS ~= 2 then
	return redis.error_reply('HOURGLASS open: arguments')
end
local cfg = redis.call('HGET', KEYS[1], 'cfg') or ''
if cfg ~= ARGV[1] then
	return {'CONFIG', cfg}
end

local n = (#ARGV - 1) / 3
local stamp = '@' .. redis.call('TIME')[1]
local answer, fresh, seen = {'OK'}, {}, {}
for first = 0, n - 1, CHUNK do
	local last = math.min(first + CHUNK, n) - 1
	local ids = {}
	for i = first, last do
		ids[#ids + 1] = ARGV[2 + 3 * i]
	end
	local states = redis.call('HMGET', KEYS[2], unpack(ids))
	for i = first, last do
		local id = ARGV[2 + 3 * i]
		local state = seen[id] or string.match(states[i - first + 1] or '', '^[^@]*')
		if state == '' then
			state = ARGV[3 + 3 * i] .. ':n' .. ARGV[4 + 3 * i]
			seen[id] = state
			fresh[#fresh + 1] = id
			fresh[#fresh + 1] = state .. stamp
		end
		answer[#answer + 1] = state
	end
end
for first = 1, #fresh, 2 * CHUNK do
	redis.call('HSET', KEYS[2], unpack(fresh, first, math.min(first + 2 * CHUNK - 1, #fresh)))
end
return answer
