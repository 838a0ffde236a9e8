-- wrk -s wrk.lua URL -- METHOD BODY_BYTES headers|- ROUTES
-- Prints what was measured as one line of JSON, the last of wrk's output. Times are in microseconds.

-- Requests are made before any is sent: what wrk takes for one must not depend on what is in it.
local made = {}
local last = 0

-- With x-api-key and host, which every request has, twenty.
local function realistic(i)
  local id = string.format("%016x%016x", i * 7919, i * 104729)
  return {
    ["user-agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
    ["accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    ["accept-encoding"] = "gzip, deflate, br, zstd",
    ["accept-language"] = "en-GB,en;q=0.9,de;q=0.8",
    ["cache-control"] = "max-age=0",
    ["cookie"] = "session=" .. id .. "; theme=dark; consent=2026-11; cart=" .. i .. "; _ga=GA1.2.1" .. i,
    ["dnt"] = "1",
    ["origin"] = "https://shop.example.com",
    ["priority"] = "u=0, i",
    ["referer"] = "https://shop.example.com/orders?page=" .. i,
    ["sec-ch-ua"] = '"Chromium";v="139", "Not;A=Brand";v="99"',
    ["sec-ch-ua-mobile"] = "?0",
    ["sec-ch-ua-platform"] = '"Linux"',
    ["sec-fetch-dest"] = "document",
    ["sec-fetch-mode"] = "navigate",
    ["sec-fetch-site"] = "same-origin",
    ["traceparent"] = "00-" .. id .. "-" .. string.format("%016x", i * 15485863) .. "-01",
    ["tracestate"] = "vendor=t61rcWkgMzE,other=00f067aa0ba902b" .. (i % 10)
  }
end

local function merged(fields)
  local all = {}
  for name, value in pairs(wrk.headers) do all[name] = value end
  for name, value in pairs(fields) do all[name] = value end
  return all
end

function init(args)
  local bytes = tonumber(args[2])
  local body = nil
  if bytes > 0 then body = string.rep("x", bytes) end
  local routes = tonumber(args[4])
  math.randomseed(1)
  local count = 1
  if args[3] == "headers" then count = 64 end
  if routes > 0 then count = math.min(4096, 64 * routes) end
  -- wrk.format puts host and content-length in; init of wrk's own has set the host.
  if wrk.headers["Host"] == nil then wrk.headers["Host"] = wrk.host .. ":" .. wrk.port end
  for i = 1, count do
    local path = wrk.path
    local headers = wrk.headers
    if routes > 0 then path = "/r" .. math.random(0, routes - 1) .. "/orders?full=1" end
    if args[3] == "headers" then headers = merged(realistic(i)) end
    made[i] = wrk.format(args[1], path, headers, body)
  end
end

function request()
  last = last % #made + 1
  return made[last]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"duration":%d,"failed":%d,"mean":%d,"p50":%d,"p99":%d}\n',
    summary.requests,
    summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency.mean,
    latency:percentile(50),
    latency:percentile(99)
  ))
end
