-- Adds metadata of media URLs from media-oracle to one-to-one messages of local users.
--
-- A message with such a URL waits for the oracle outside of its session, before any other module handles it; then it is routed as if
-- it had just been sent. So the archive, the copies for other devices and the remote server all get the metadata.

local modulemanager = require "core.modulemanager";
local jid = require "util.jid";

assert(module:get_host_type() == "local", "mod_media_metadata is for a VirtualHost; for rooms there is mod_muc_media_metadata");

-- The library is part of the other module, which must be installed, not enabled; module:require finds only this module's own files.
local lookups = assert(modulemanager.loader:load_code_ext("muc_media_metadata", "lookups", "lib.lua", module.environment))();
local guarded = lookups.guarded;

local delivered = setmetatable({}, { __mode = "k" }); -- stanzas that have left their queue and must pass

local function send_on(origin, stanza)
	delivered[stanza] = true;
	prosody.core_post_stanza(origin, stanza, true);
end

local function on_message(event)
	local origin, stanza = event.origin, event.stanza;
	local st_type = stanza.attr.type or "normal";
	if delivered[stanza] or st_type ~= "chat" and st_type ~= "normal" then
		return; -- mod_muc_media_metadata annotates messages in rooms
	end
	lookups.strip_metadata(stanza);
	local place, sender = origin.full_jid, jid.bare(origin.full_jid);
	local recipient = jid.bare(stanza.attr.to or sender);
	return lookups.enqueue {
		stanza = stanza, place = place, member = recipient, sender = sender, is_annotated = true;
		find_queue = function () return lookups.find_queue(place, recipient); end;
		deliver = function () send_on(origin, stanza); end;
	} or nil;
end

-- Delivers all messages of a session before it ends.
local function on_unbind(event)
	lookups.flush_place(event.session.full_jid);
end

function module.unload()
	lookups.flush_all();
end

module:add_feature(lookups.xmlns_metadata);

for _, kind in ipairs { "bare", "full", "host" } do
	-- Before all other handlers: they see the stanza once, when it is routed, and decide by the state at that time (a block list, a firewall).
	module:hook("pre-message/"..kind, guarded("handle a message", on_message), 1000);
end
module:hook("pre-resource-unbind", guarded("flush", on_unbind), 1000);
module:hook_global("server-stopping", guarded("flush", lookups.flush_all));
