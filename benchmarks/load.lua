-- What wrk sends, and what it found, as one line of JSON. Arguments, behind "--":
--   get FILE                                     paths, one a line, are asked for by turns
--   post PATH USERS PAGES STAY SINCE SPAN        page views are sent, each another one: STAY of a
--                                                user, then of the next; at SINCE ms and a ms later
--                                                each, or at random in the SPAN ms from SINCE

local next_request

local function lines(path)
  local found = {}
  for line in io.lines(path) do found[#found + 1] = line end
  return found
end

local function gets(file)
  local ready, at = {}, 0
  for i, path in ipairs(lines(file)) do ready[i] = wrk.format("GET", path) end
  return function()
    at = at % #ready + 1
    return ready[at]
  end
end

local function posts(path, users, pages, stay, since, span)
  users, pages = lines(users), lines(pages)
  stay, since, span = tonumber(stay), tonumber(since), tonumber(span)
  local sent, second, date = 0, nil, nil
  local headers = { ["Content-Type"] = "application/json" }
  math.randomseed(since)
  return function()
    local user = users[math.floor(sent / stay) % #users + 1]
    local page = pages[sent * 7 % #pages + 1]
    local instant = since + (span > 0 and math.random(0, span) or sent)
    sent = sent + 1
    if math.floor(instant / 1000) ~= second then
      second = math.floor(instant / 1000)
      date = os.date("!%Y-%m-%dT%H:%M:%S", second)
    end
    local body = string.format(
      '{"user_id": "%s", "name": "%s", "timestamp": "%s.%03dZ"}', user, page, date, instant % 1000)
    return wrk.format("POST", path, headers, body)
  end
end

function init(arguments)
  local kind = table.remove(arguments, 1)
  next_request = (kind == "get" and gets or posts)(unpack(arguments))
end

function request()
  return next_request()
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    'LOAD {"requests": %d, "seconds": %.6f, "failed": %d, "p50": %.3f, "p99": %.3f}\n',
    summary.requests, summary.duration / 1e6, failed,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
