-- Decides which hosts' URLs are looked up, with which fields.

local load_library = ...;

local set = require "util.set";

local config = load_library("config");
local fields_of = load_library("elements").fields_of;
local is_on_host = load_library("urls").is_on_host;

-- Without a hash that clients may use there is no share, so a file on another host is not read to its end for the hash.
local untrusted_outputs = config.output - set.new({ "sfs" });
local fields, untrusted_fields = fields_of(config.output), fields_of(untrusted_outputs);

-- Computed for each message: components are loaded and unloaded, and so are their ports.
local function upload_hosts() -- > set of "host:port", or "host" with the default port of the scheme
	local found = set.new();
	for _, host in pairs(prosody.hosts) do
		local file_share = host.modules and host.modules.http_file_share;
		if file_share then
			local uploads = file_share.module;
			local base_url = uploads:get_option_string("http_file_share_base_url") or uploads:http_url();
			local authority = base_url:lower():match("^https?://([^/?#]+)");
			if authority then
				found:add(authority);
			end
		end
	end
	return found;
end

-- Files on the server's upload hosts and on hosts that the operator named do not change, so clients may use their hash.
local function trusted_hosts() -- > set
	return upload_hosts() + config.hosts;
end

local function wanted_hosts() -- > set, or nil for all
	if config.scope == "local-uploads" then
		return trusted_hosts();
	elseif not config.hosts:empty() then
		return config.hosts;
	elseif untrusted_outputs:empty() then
		return trusted_hosts(); -- of other URLs nothing would be added
	end
end

local function fields_for(url) -- > array of keys of the oracle's answer
	return is_on_host(url, trusted_hosts()) and fields or untrusted_fields;
end

return { trusted_hosts = trusted_hosts; wanted_hosts = wanted_hosts; fields_for = fields_for };
