-- Reads and checks the options of the module that loads this library: they have its name as their prefix.

local configmanager = require "core.configmanager";
local set = require "util.set";

local function option(name)
	return module.name.."_"..name;
end

local function get_number(name, default, min, max) -- > number
	local value = module:get_option_number(option(name), default) or default;
	return math.max(min, math.min(max, value));
end

local config = {
	url = module:get_option_string(option("url"), "http://127.0.0.1:8080/metadata");
	token = module:get_option_string(option("token")); -- nil: the oracle requires none
	output = module:get_option_set(option("output"), { "legacy", "file-metadata", "sims" });
	scope = module:get_option_string(option("scope"), "all"); -- or "local-uploads"
	hosts = module:get_option_set(option("hosts"), {}); -- empty: depends on the scope
	late = module:get_option_string(option("late"), "archive"); -- or "off": of metadata that arrives after the message was delivered
	timeout = get_number("timeout", 2, 0.25, 30); -- seconds from the arrival of a message
	max_urls = get_number("max_urls", 4, 1, 64); -- distinct ones in a stanza
	max_inflight = get_number("max_inflight", 64, 1, 4096); -- lookups
	max_queue = get_number("max_queue", 20, 1, 1000); -- messages in one queue
	breaker_failures = get_number("breaker_failures", 5, 1, math.huge); -- different senders; of a sender's own breaker: lookups in a row
	breaker_cooldown = get_number("breaker_cooldown", 30, 0, math.huge); -- seconds
};
if module.name == "muc_media_metadata" then
	config.private = module:get_option_boolean(option("private"), false); -- whether messages between two in a room are looked up
end

-- Of one sender: a quarter, so that one sender cannot use up all lookups; but enough for one message, if max_inflight allows it.
local max_sender_inflight = math.min(config.max_inflight, math.max(config.max_urls, math.floor(config.max_inflight / 4)));

-- The checks. The module does not load with a wrong option: missing annotations, or lookups that the operator meant to exclude, would be
-- noticed months later.

local problems = {};

local function check(is_right, text, ...)
	if not is_right then
		table.insert(problems, (text:format(...)));
	end
end

local function has_endpoint(url) -- > boolean: scheme, host and path
	return url:find("^https?://[^/?#%s]+/[^?#%s]+") ~= nil;
end

local function is_host(host) -- > boolean: a name or an address, maybe with a port
	return type(host) == "string" and (host:find("^[^%s/:@*?#]+:?%d*$") or host:find("^%[%x*:[%x:.]*%]:?%d*$")) ~= nil;
end

check(has_endpoint(config.url), "%s is the URL of the oracle's endpoint, as in http://127.0.0.1:8080/metadata, not %q", option("url"), config.url);
check(config.scope == "all" or config.scope == "local-uploads", "%s is \"all\" or \"local-uploads\", not %q", option("scope"), config.scope);
for output in config.output - set.new({ "legacy", "file-metadata", "sims", "sfs" }) do
	check(false, "%s has no %q", option("output"), tostring(output));
end
check(config.late == "archive" or config.late == "off", "%s is \"archive\" or \"off\", not %q", option("late"), config.late);
local hosts = set.new();
for host in config.hosts do
	check(is_host(host), "%s has hosts without scheme, path or wildcard, as in upload.example.com, not %q", option("hosts"), tostring(host));
	hosts:add(tostring(host):lower());
end
config.hosts = hosts;

-- Of this host, and of the part of the configuration that is for all hosts.
local prefix = option("");
for _, section in ipairs { "*", module.host } do
	for name in pairs(configmanager.getconfig()[section] or {}) do
		local is_ours = type(name) == "string" and name:sub(1, #prefix) == prefix;
		check(not is_ours or config[name:sub(#prefix + 1)] ~= nil or name == option("token"), "there is no option %s", tostring(name));
	end
end

if problems[1] then
	table.sort(problems);
	error("Configuration: "..table.concat(problems, "; "), 0);
end

config.name_of = option; -- name of an option > its full name
config.max_sender_inflight = max_sender_inflight;
return config;
