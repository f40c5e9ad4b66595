-- Tells how the limits of one subject stand, and takes nothing.
--
-- KEYS: the subject's hash, the set of its requests under way.
-- ARGV: number of quotas.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local fields = {'day', 'today'}
for i = 1, tonumber(ARGV[1]) do fields[i + 2] = 't' .. i end
local held = redis.call('HMGET', KEYS[1], unpack(fields))
local day, today = math.floor(now / 86400000000), 0
if held[1] and tonumber(held[1]) == day then today = tonumber(held[2]) or 0 end
local busy = redis.call('ZCOUNT', KEYS[2], string.format('%.0f', now), '+inf')
local answer = {redis.call('EXISTS', KEYS[1], KEYS[2]), now, day, today, busy}
for i = 3, #fields do answer[#answer + 1] = tonumber(held[i]) or 0 end
return answer
