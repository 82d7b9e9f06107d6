-- Loads the module as Prosody would, with Prosody's own util.stanza and util.json, and without a server around it.

local prosody_sources = os.getenv("PROSODY_SOURCES") or "/usr/lib/prosody";
local module_file = "prosody/mod_muc_media_metadata/mod_muc_media_metadata.lua"; -- busted runs in the repository's root

package.path = prosody_sources.."/?.lua;"..package.path;

-- The one compiled part of what is used here: it is built for the Lua that Prosody runs on, which need not be this one.
package.preload["util.encodings"] = function ()
	return { utf8 = { valid = function () return true; end } };
end;

local has_prosody, st = pcall(require, "util.stanza");

local nothing = setmetatable({}, { __index = function (self) return self; end, __call = function (self) return self; end });
local server_side = {
	["util.async"] = nothing;
	["net.http"] = { default = { new = function () return nothing; end } };
	["util.timer"] = nothing;
	["util.time"] = nothing;
};

local module_api = {
	depends = function () return nothing; end;
	get_option_string = function (_, _, default) return default; end;
	get_option_number = function (_, _, default) return default; end;
	get_option_set = function () return nothing; end;
	metric = function () return nothing; end;
	hook = function () end;
	hook_global = function () end;
};

local function load_module() -- > the module's environment
	local environment = setmetatable({
		module = module_api;
		require = function (name) return server_side[name] or require(name); end;
	}, { __index = _G });
	local chunk;
	if setfenv then -- luacheck: ignore 113/setfenv
		chunk = setfenv(assert(loadfile(module_file)), environment); -- luacheck: ignore 113/setfenv
	else
		chunk = assert(loadfile(module_file, "t", environment));
	end
	chunk();
	return environment;
end

return { has_prosody = has_prosody; st = st; load_module = load_module };
