-- Parses http(s) URLs as far as the modules need it: their hosts, and whether two URLs are the same.
--
-- Pure: it knows neither the module, nor its options, nor the clock.

local function host_of(url) -- > host in lower case, host with its port if there is one; or nil if it is not an http(s) URL
	local authority = url:match("^[Hh][Tt][Tt][Pp][Ss]?://([^/?#\\]+)");
	if not authority then
		return nil;
	end
	-- "^.*@" is linear; "[^@]*$" is quadratic, and a stanza of such URLs would block the server for seconds.
	local host_and_port = authority:gsub("^.*@", ""):lower();
	return (host_and_port:gsub(":%d*$", "")), host_and_port;
end

local function is_on_host(url, hosts) -- > boolean; hosts: a set of hosts, with or without port
	local host, host_and_port = host_of(url);
	return host ~= nil and (hosts:contains(host) or hosts:contains(host_and_port)) or false;
end

local function percent_decoded(text)
	return (text:gsub("%%(%x%x)", function (digits) return string.char(tonumber(digits, 16)); end));
end

local function without_dot_segments(path)
	local kept = {};
	for segment, slash in path:gmatch("([^/]*)(/?)") do
		local dots = segment:gsub("%%2[eE]", ".");
		if dots == ".." then
			kept[math.max(#kept, 1)] = nil;
		elseif dots ~= "." and (segment ~= "" or slash ~= "") then
			table.insert(kept, segment..slash);
		end
	end
	return table.concat(kept);
end

local function resource_of(url) -- > path and query, in a form that is the same for all spellings of a URL
	local path, query = url:gsub("#.*$", ""):match("^%a+://[^/?\\]*([^?]*)%??(.*)$");
	path = without_dot_segments((path:gsub("\\", "/"):gsub("^/", "")));
	return percent_decoded(path).."?"..percent_decoded(query);
end

-- Hosts that every parser writes in the same way, except for case: not internationalized names, and not numbers ("0x7f.1").
local function plain_host(url) -- > host in lower case without the root's dot; or nil
	local host = host_of(url);
	return host and host:match("^[%w%-_.]-%f[%w%-_]%a[%w%-_]*%.?$") and host:gsub("%.$", "");
end

-- Whether an answer is about the URL that was asked for. The oracle normalises URLs (WHATWG URL Standard), which is not repeated
-- here: spellings that it may change are not compared.
local function is_same_url(asked, answered) -- > boolean
	if type(answered) ~= "string" or not host_of(answered) then
		return false;
	end
	local host = plain_host(asked);
	return (host == nil or host == plain_host(answered)) and resource_of(asked) == resource_of(answered);
end

return { host_of = host_of; is_on_host = is_on_host; is_same_url = is_same_url };
