#!lua flags=no-writes
-- gather: a piece of one partial, with what the others have of its fields (CONTRACT.md, compaction).
--
-- KEYS  n x (manifest, cells): the sources, in order
-- ARGV  which source is walked (1..n), cursor of HSCAN, its COUNT, n x (pid, version)
-- Says  {'OK', next cursor, then for each field that no source before this one has:
--       field, n x blob ('' = absent)}
--       {'LOST'}: a source is no longer listed, or not with that version
-- All of it is seen in one moment. Cells of a version never change, so it does not matter how
-- many of these moments lie between the first piece and the last.

local CHUNK = 1000 -- unpack() ends near 8,000 values

local n = #KEYS / 2
local which = tonumber(ARGV[1])
if n < 1 or #ARGV ~= 3 + 2 * n or not which or not KEYS[2 * which] then
	return redis.error_reply('HOURGLASS gather: arguments')
end
for i = 1, n do
	if redis.call('HGET', KEYS[2 * i - 1], ARGV[2 + 2 * i]) ~= ARGV[3 + 2 * i] then
		return {'LOST'}
	end
end

-- HSCAN may show a field twice. Both rows are then the same, and writing them twice is no harm.
local scan = redis.call('HSCAN', KEYS[2 * which], ARGV[2], 'COUNT', ARGV[3])
local fields, blobs = {}, {}
for at = 1, #scan[2], 2 do
	local seen = false
	for i = 1, which - 1 do
		seen = seen or redis.call('HEXISTS', KEYS[2 * i], scan[2][at]) == 1
	end
	if not seen then
		fields[#fields + 1] = scan[2][at]
		blobs[#blobs + 1] = scan[2][at + 1]
	end
end

local answer = {'OK', scan[1]}
for first = 1, #fields, CHUNK do
	local last = math.min(first + CHUNK - 1, #fields)
	local others = {}
	for i = which + 1, n do
		others[i] = redis.call('HMGET', KEYS[2 * i], unpack(fields, first, last))
	end
	for row = first, last do
		answer[#answer + 1] = fields[row]
		for i = 1, n do
			local blob = i == which and blobs[row]
				or i > which and others[i][row - first + 1]
			answer[#answer + 1] = blob or ''
		end
	end
end
return answer
