-- Takes what a request asks for from one subject, or tells which limit is in the way; the same arithmetic as in
-- `policy/gcra.rs`, in microseconds, which a double holds exactly. The server's own clock counts for all gateways.
--
-- KEYS: the subject's hash, the set of its requests under way.
-- ARGV: number of quotas, daily (0: none), concurrency (0: none), request id, how long a place is held at most,
--       how many requests it counts for; then for each quota its span and its tolerance.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local quotas, daily, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local DAY = 86400000000
local function whole(number) return string.format('%.0f', number) end

local fields = {'day', 'today'}
for i = 1, quotas do fields[i + 2] = 't' .. i end
local held = redis.call('HMGET', KEYS[1], unpack(fields))
local day, today = math.floor(now / DAY), 0
if held[1] and tonumber(held[1]) == day then today = tonumber(held[2]) or 0 end

local over, wait, last = 0, 0, now
local tats, nexts = {}, {}
for i = 1, quotas do
  local span, tolerance = tonumber(ARGV[5 + 2 * i]), tonumber(ARGV[6 + 2 * i])
  tats[i] = math.max(tonumber(held[i + 2]) or 0, now)
  nexts[i] = tats[i] + span
  last = math.max(last, nexts[i])
  local ahead = nexts[i] - tolerance - now
  if ahead > wait then over, wait = i, ahead end
end
if daily > 0 and today + tonumber(ARGV[6]) > daily and DAY - now % DAY > wait then
  over, wait = quotas + 1, DAY - now % DAY
end
local busy = 0
if most > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', whole(now))
  busy = redis.call('ZCARD', KEYS[2])
  if busy >= most and wait < 1000000 then over, wait = quotas + 2, 1000000 end
end

if over == 0 then
  local values = {}
  for i = 1, quotas do
    tats[i] = nexts[i]
    values[#values + 1] = 't' .. i
    values[#values + 1] = whole(nexts[i])
  end
  if daily > 0 then
    today = today + tonumber(ARGV[6])
    for _, value in ipairs({'day', whole(day), 'today', whole(today)}) do values[#values + 1] = value end
  end
  if #values > 0 then
    redis.call('HSET', KEYS[1], unpack(values))
    -- Forgotten once there is nothing to remember, and a minute later: clocks of readers are not looked at.
    local keep = math.max(last - now, daily > 0 and DAY or 0) / 1000 + 60000
    redis.call('PEXPIRE', KEYS[1], whole(keep))
  end
  if most > 0 then
    busy = busy + 1
    redis.call('ZADD', KEYS[2], whole(now + tonumber(ARGV[5])), ARGV[4])
    redis.call('PEXPIRE', KEYS[2], whole(tonumber(ARGV[5]) / 1000))
  end
end
local answer = {over, wait, now, day, today, busy}
for i = 1, quotas do answer[#answer + 1] = tats[i] end
return answer
