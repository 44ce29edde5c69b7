#!lua flags=no-writes
-- survey: which partials manifests list (CONTRACT.md, compaction).
--
-- KEYS  meta, then manifests of hours or days
-- ARGV  cfg, how many partials of each to list at most
-- Says  {'OK', floor, then for each manifest: partials, listed n, n x (pid, version)}
--       {'CONFIG', stored}

local limit = tonumber(ARGV[2])
if #ARGV ~= 2 or #KEYS < 1 or not limit then
	return redis.error_reply('HOURGLASS survey: arguments')
end
local stored = redis.call('HMGET', KEYS[1], 'cfg', 'floor')
if stored[1] ~= ARGV[1] then
	return {'CONFIG', stored[1] or ''}
end

local answer = {'OK', stored[2] or '0'}
for i = 2, #KEYS do
	local count = redis.call('HLEN', KEYS[i])
	local listed = math.min(count, limit)
	answer[#answer + 1] = tostring(count)
	answer[#answer + 1] = tostring(listed)
	if listed > 0 then
		local all = redis.call('HGETALL', KEYS[i])
		for at = 1, 2 * listed do
			answer[#answer + 1] = all[at]
		end
	end
end
return answer
