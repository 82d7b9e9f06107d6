-- Loads the library's files as Prosody does, with Prosody's own util modules, but without a server.

local prosody_sources = os.getenv("PROSODY_SOURCES") or "/usr/lib/prosody";
local folder = "prosody/mod_muc_media_metadata/"; -- busted runs in the repository's root

package.path = prosody_sources.."/?.lua;"..package.path;
package.cpath = prosody_sources.."/?.so;"..package.cpath;

-- Parts of Prosody are built for the Lua that it runs on: the specs run on the same (`busted --lua=lua5.4`).
local has_prosody, st = pcall(function ()
	return require "util.encodings" and require "util.stanza";
end);

local function set(...)
	return require "util.set".new({ ... });
end

local function oob(url)
	return st.stanza("x", { xmlns = "jabber:x:oob" }):tag("url", { xmlns = "jabber:x:oob" }):text(url):reset();
end

local function message(...) -- > message with these out-of-band URLs
	local stanza = st.message({ type = "groupchat" });
	for _, url in ipairs { ... } do stanza:add_child(oob(url)); end
	return stanza;
end

local function png(width, height, bytes) -- > data URI of a PNG with junk as its pixels: the modules read only its head
	local head = "\137PNG\r\n\026\n\0\0\0\rIHDR"..string.pack(">I4I4", width, height).."\8\2\0\0\0";
	return "data:image/png;base64,"..require "util.encodings".base64.encode(head..("x"):rep((bytes or 149) - #head));
end

local function load_library(name) -- "elements", "reply" …
	return assert(loadfile(folder..name..".lib.lua"))(load_library);
end

-- Loads a file of a module with stand-ins for some of the modules that it requires. globals: of the file
local function load_file(path, modules, globals) -- > its chunk
	globals.require = function (name) return modules[name] or require(name); end;
	return assert(loadfile("prosody/"..path, "t", setmetatable(globals, { __index = _G })));
end

-- options: name > value, of the host; other_options: of all hosts
local function load_config(options, other_options, name) -- > options of the module
	local function option(_, wanted, default)
		if options[wanted] ~= nil then
			return options[wanted];
		end
		return default;
	end
	local stand_ins = {
		["core.configmanager"] = { getconfig = function () return { ["*"] = other_options; ["rooms.example"] = options }; end };
	};
	local module = {
		name = name or "muc_media_metadata", host = "rooms.example";
		get_option_string = option, get_option_boolean = option;
		get_option_number = function (...) return tonumber(option(...)); end; -- as Prosody's: nil for a value that is no number
		get_option_set = function (...) return require "util.set".new(option(...)); end;
	};
	return load_file("mod_muc_media_metadata/config.lib.lua", stand_ins, { module = module })(load_library);
end

local function fake_metrics() -- > stand-in for module.metric, values: metric > label, or "all" > value; samples are an array
	local metrics = {};
	local function metric(_, _, name)
		local values = {};
		metrics[name] = values;
		return { with_labels = function (_, label)
			label = label or "all";
			return {
				set = function (_, value) values[label] = value; end;
				add = function (_, value) values[label] = (values[label] or 0) + value; end;
				sample = function (_, value) table.insert(values, value); end;
			};
		end };
	end
	return metric, metrics;
end

-- Stand-in for util.timer. Its tasks: { delay, run, is_stopped }
local function fake_timer() -- > timer, array of its tasks
	local tasks = {};
	return {
		add_task = function (delay, run)
			local task = { delay = delay; run = run; is_stopped = false };
			table.insert(tasks, task);
			return task;
		end;
		stop = function (task) task.is_stopped = true; end;
	}, tasks;
end

-- Runs a function with each number up to the count; returns the KB that are in use after the last, more than after the tenth.
local function memory_growth(count, run)
	local function use_after(from, to)
		for at = from, to do run(at); end
		collectgarbage();
		return collectgarbage("count");
	end
	local before = use_after(1, 10);
	return use_after(11, count) - before;
end

local function clear(...) -- arrays
	for _, list in ipairs { ... } do
		for i = #list, 1, -1 do list[i] = nil; end
	end
end

return {
	has_prosody = has_prosody;
	st = st;
	set = set;
	message = message;
	png = png;
	load_library = load_library;
	load_config = load_config;
	load_file = load_file;
	memory_growth = memory_growth;
	clear = clear;
	fake_metrics = fake_metrics;
	fake_timer = fake_timer;
};
