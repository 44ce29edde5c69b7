#!lua
-- commit: streams' positions and partials, together or not at all (CONTRACT.md).
--
-- KEYS  meta, streams, nf, nl, then H x (manifest, cells), then D day manifests
-- ARGV  cfg, new version, H, S, D, N, samples declared lost,
--       H x (hour number, pid, expected version ('' = absent), expire at, cell count),
--       S x (stream, expected state, new state),
--       the cells of hour 1, then of hour 2...: (field, blob),
--       N x (field, hour number)
-- Says  {'OK'}  {'CONFIG', stored}  {'FLOOR', floor}  {'LOST'}
--       {'CONFLICT', stream, stored state ('' = absent), ...}
-- An error reply means a bug of the caller's or a key of a foreign type: nothing was written.
-- Everything is checked before anything is written: writes of a script do not roll back.

local CHUNK = 1000 -- pairs a call; unpack() ends near 8,000 values
local SCANNED = 256 -- fields of a partial that Redis may look through for each it writes

local meta, streams, names_first, names_last = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local cfg, version = ARGV[1], ARGV[2]
local H, S, D, N = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local lost = tonumber(ARGV[7])
local HOUR, AT_HOURS = 5, 8 -- arguments an hour, and where the first is
local LOST_MAX = 2 ^ 53

local function bug(text)
	return redis.error_reply('HOURGLASS commit: ' .. text)
end

if not (H and S and D and N and lost) or S < 1 then
	return bug('counts')
end

-- 1. The same fleet, and no hour that may already be gone.
local stored = redis.call('HMGET', meta, 'cfg', 'floor', 'lost')
if stored[1] ~= cfg then
	return {'CONFIG', stored[1] or ''}
end
local floor = tonumber(stored[2] or '0')
local cells = 0
for i = 0, H - 1 do
	local at = AT_HOURS + HOUR * i
	local hour, count = tonumber(ARGV[at]), tonumber(ARGV[at + 4])
	if not (hour and count and tonumber(ARGV[at + 3])) then
		return bug('hour')
	end
	if hour < floor then
		return {'FLOOR', stored[2]}
	end
	cells = cells + count
end

-- The arguments must add up before any of them is believed.
local at_streams = AT_HOURS + HOUR * H
local at_cells = at_streams + 3 * S
local at_names = at_cells + 2 * cells
if #ARGV ~= at_names + 2 * N - 1 or #KEYS ~= 4 + 2 * H + D then
	return bug('arguments')
end
for i = 0, N - 1 do
	if not tonumber(ARGV[at_names + 2 * i + 1]) then
		return bug('name') -- or ZADD would refuse it when all else is written
	end
end

-- 2. The partials are as this relay left them, or the commit is already in.
local as_new, as_expected = 0, 0
for i = 0, H - 1 do
	local at = AT_HOURS + HOUR * i
	local now = redis.call('HGET', KEYS[5 + 2 * i], ARGV[at + 1]) or ''
	if now == version then
		as_new = as_new + 1
	end
	if now == ARGV[at + 2] then
		as_expected = as_expected + 1
	end
end
if H > 0 and as_new == H then
	return {'OK'}
end
if as_expected ~= H then
	return {'LOST'}
end

-- 3. Every stream stands where this commit builds on. Absent never matches. Without hours there
-- is no version to know an identical retry by: then the new states themselves say it.
local conflict, moved = {'CONFLICT'}, 0
for first = 0, S - 1, CHUNK do
	local last = math.min(first + CHUNK, S) - 1
	local ids = {}
	for i = first, last do
		ids[#ids + 1] = ARGV[at_streams + 3 * i]
	end
	local states = redis.call('HMGET', streams, unpack(ids))
	for i = first, last do
		local at = at_streams + 3 * i
		local state = string.match(states[i - first + 1] or '', '^[^@]*')
		if ARGV[at + 1] == '' or ARGV[at + 2] == '' then
			return bug('state')
		end
		if state == ARGV[at + 2] then
			moved = moved + 1
		end
		if state ~= ARGV[at + 1] then
			conflict[#conflict + 1] = ARGV[at]
			conflict[#conflict + 1] = state
		end
	end
end
if H == 0 and moved == S then
	return {'OK'}
end
if #conflict > 1 then
	return conflict
end

-- 4. No key is of a type that would fail a write below.
local function is(key, type)
	local now = redis.call('TYPE', key).ok
	return now == type or now == 'none'
end
if not (is(names_first, 'zset') and is(names_last, 'zset')) then
	return bug('type of the names')
end

-- A hash of small values is a list that Redis looks through from its beginning for every field,
-- up to 512 fields of them by default: three quarters of a commit's time. A value as large as
-- no list has it makes a table of it, for as long as it lives; '' is no field of ours.
local function must_unlist(image, count)
	local encoding = redis.call('OBJECT', 'ENCODING', image)
	return (not encoding or encoding == 'listpack')
		and math.max(redis.call('HLEN', image), count) > SCANNED
end

local unlist = {}
for i = 0, H - 1 do
	local image = KEYS[6 + 2 * i]
	if not is(image, 'hash') then
		return bug('type of ' .. image)
	end
	unlist[i] = must_unlist(image, tonumber(ARGV[AT_HOURS + HOUR * i + 4]))
end

-- All is well: write.
local now = tonumber(redis.call('TIME')[1])
local stamp = string.format('@%d', now)

for first = 0, S - 1, CHUNK do
	local pairs = {}
	for i = first, math.min(first + CHUNK, S) - 1 do
		local at = at_streams + 3 * i
		pairs[#pairs + 1] = ARGV[at]
		pairs[#pairs + 1] = ARGV[at + 2] .. stamp
	end
	redis.call('HSET', streams, unpack(pairs))
end

local at = at_cells
for i = 0, H - 1 do
	local about = AT_HOURS + HOUR * i
	local manifest, image = KEYS[5 + 2 * i], KEYS[6 + 2 * i]
	-- A time in the past would delete the keys on the spot.
	local expire = string.format('%d', math.max(tonumber(ARGV[about + 3]), now + 3600))
	local left = tonumber(ARGV[about + 4])
	redis.call('HSET', manifest, ARGV[about + 1], version)
	redis.call('EXPIREAT', manifest, expire)
	if unlist[i] then
		redis.call('HSET', image, '', string.rep('.', 4096))
	end
	while left > 0 do
		local count = math.min(left, CHUNK)
		redis.call('HSET', image, unpack(ARGV, at, at + 2 * count - 1))
		at, left = at + 2 * count, left - count
	end
	if unlist[i] then
		redis.call('HDEL', image, '')
	end
	redis.call('EXPIREAT', image, expire)
end

for first = 0, N - 1, CHUNK do
	local by_first, by_last = {'NX'}, {'GT'}
	for i = first, math.min(first + CHUNK, N) - 1 do
		by_first[#by_first + 1] = now
		by_first[#by_first + 1] = ARGV[at_names + 2 * i]
		by_last[#by_last + 1] = ARGV[at_names + 2 * i + 1]
		by_last[#by_last + 1] = ARGV[at_names + 2 * i]
	end
	redis.call('ZADD', names_first, unpack(by_first))
	redis.call('ZADD', names_last, unpack(by_last))
end

for i = 1, D do
	redis.call('DEL', KEYS[4 + 2 * H + i])
end
if lost > 0 then
	-- Not HINCRBY: what agents declare must never overflow it after all else is written.
	lost = math.min((tonumber(stored[3]) or 0) + lost, LOST_MAX)
	redis.call('HSET', meta, 'lost', string.format('%.0f', lost))
end
return {'OK'}
