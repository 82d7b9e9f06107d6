-- Reads the options of the module that loads this library: they have its name as their prefix.

local set = require "util.set";

local function option(name)
	return module.name.."_"..name;
end

local function get_number(name, default, min, max) -- > number
	local value = module:get_option_number(option(name), default) or default;
	return math.max(min, math.min(max, value));
end

local config = {
	option = option;
	url = module:get_option_string(option("url"), "http://127.0.0.1:8080/metadata");
	token = module:get_option_string(option("token")); -- nil: the oracle requires none
	outputs = module:get_option_set(option("output"), { "legacy", "file-metadata", "sims" });
	scope = module:get_option_string(option("scope"), "all"); -- or "local-uploads"
	hosts = module:get_option_set(option("hosts"), {}); -- empty: depends on the scope
	timeout = get_number("timeout", 2, 0.25, 30); -- seconds from the arrival of a message
	max_urls = get_number("max_urls", 4, 1, 64); -- distinct ones in a stanza
	max_inflight = get_number("max_inflight", 64, 1, 4096); -- lookups
	max_queue = get_number("max_queue", 20, 1, 1000); -- messages in one queue
	breaker_failures = get_number("breaker_failures", 5, 1, math.huge); -- different senders; of a sender's own breaker: lookups in a row
	breaker_cooldown = get_number("breaker_cooldown", 30, 0, math.huge); -- seconds
};

local unknown_outputs = config.outputs - set.new({ "legacy", "file-metadata", "sims", "sfs" });
if not unknown_outputs:empty() then
	error(("%s has no %s"):format(option("output"), unknown_outputs)); -- at the start: annotations that are missing would be noticed months later
elseif config.scope ~= "all" and config.scope ~= "local-uploads" then
	error(("%s is either \"all\" or \"local-uploads\", not %q"):format(option("scope"), config.scope));
end

return config;
