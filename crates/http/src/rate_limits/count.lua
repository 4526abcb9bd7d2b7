-- The rule of log.rs, done by Redis as one step and by its own clock, so that all processes agree.
-- KEYS[1]: the subject's calls, a list of times in milliseconds, oldest first.
-- ARGV: the limit; the window in milliseconds; 1 to count this call, 0 to ask only.
-- Gives: 1 where the call is allowed, calls that remain, milliseconds until more do.
local calls = KEYS[1]
local limit = tonumber(ARGV[1])
local window = tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local length = redis.call('LLEN', calls)
if length > 0 then
  -- Times must not descend, also where the clock was set back.
  now = math.max(now, tonumber(redis.call('LINDEX', calls, -1)))
  -- How many have ended, by halves.
  local low, high = 0, length
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(redis.call('LINDEX', calls, middle)) <= now - window then
      low = middle + 1
    else
      high = middle
    end
  end
  if low > 0 then
    redis.call('LTRIM', calls, low, -1)
    length = length - low
  end
end

local allowed = 0
if length < limit then
  allowed = 1
  if ARGV[3] == '1' then
    redis.call('RPUSH', calls, string.format('%.0f', now))
    redis.call('PEXPIRE', calls, window)
    length = length + 1
  end
end

local next_to_end = redis.call('LINDEX', calls, math.max(length - limit, 0))
local more_after = window
if next_to_end then
  more_after = tonumber(next_to_end) + window - now
end
return { allowed, math.max(limit - length, 0), more_after }
