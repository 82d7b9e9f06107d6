-- Adds what media-oracle knows of a posted media URL to the message of one local user to another, or to anybody.
--
-- A message with such a URL waits for the oracle outside of its session, before any other module sees it; then it goes its way
-- as if it had just been sent: so the archive, the copies for other devices and the remote server all carry the metadata.

local modulemanager = require "core.modulemanager";
local jid = require "util.jid";

assert(module:get_host_type() == "local", "mod_media_metadata is for a VirtualHost; for rooms there is mod_muc_media_metadata");

-- Of the other module, which must be installed, not enabled: module:require looks only among one's own files.
local lookups = assert(modulemanager.loader:load_code_ext("muc_media_metadata", "lookups", "lib.lua", module.environment))();
local guarded = lookups.guarded;

local under_way = setmetatable({}, { __mode = "k" }); -- the stanzas that had their turn, to be let pass

local function send_on(origin, stanza)
	under_way[stanza] = true;
	prosody.core_post_stanza(origin, stanza, true);
end

local function on_message(event)
	local origin, stanza = event.origin, event.stanza;
	local st_type = stanza.attr.type or "normal";
	if under_way[stanza] or st_type ~= "chat" and st_type ~= "normal" then
		return; -- What is said in a room is the room's to annotate.
	end
	lookups.strip_metadata(stanza);
	local place, who = origin.full_jid, jid.bare(stanza.attr.to or origin.full_jid);
	return lookups.take {
		stanza = stanza, place = place, who = who, looks_up = true;
		find_line = function () return lookups.line_of(place, who); end;
		deliver = function () send_on(origin, stanza); end;
	} or nil;
end

-- Whoever goes is heard first.
local function on_unbind(event)
	lookups.flush_place(event.session.full_jid);
end

function module.unload()
	lookups.flush_all();
end

module:add_feature(lookups.xmlns_metadata);

for _, kind in ipairs { "bare", "full", "host" } do
	-- Before all others: they see the stanza once, when it goes its way, and judge by what is true then (a block list, a firewall).
	module:hook("pre-message/"..kind, guarded("handle a message", on_message), 1000);
end
module:hook("pre-resource-unbind", guarded("flush", on_unbind), 1000);
module:hook_global("server-stopping", guarded("flush", lookups.flush_all));
