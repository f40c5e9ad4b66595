-- Puts what a request took in place of what was asked for it, and frees its place among those under way.
--
-- KEYS: the subject's hash, the set of its requests under way.
-- ARGV: request id (empty: it held no place); then for each quota by how many microseconds its moment moves.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if ARGV[1] ~= '' then redis.call('ZREM', KEYS[2], ARGV[1]) end
for i = 2, #ARGV do
  local moved = tonumber(ARGV[i])
  if moved ~= 0 then
    local field = 't' .. (i - 1)
    local tat = tonumber(redis.call('HGET', KEYS[1], field)) or 0
    if moved > 0 then tat = math.max(tat, now) end
    redis.call('HSET', KEYS[1], field, string.format('%.0f', math.max(tat + moved, 0)))
    local left = math.max(tat + moved - now, 0) / 1000 + 60000
    if redis.call('PTTL', KEYS[1]) < left then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', left)) end
  end
end
return 0
