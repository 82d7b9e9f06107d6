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

local archive;
local archived = {}; -- id, sender and recipient of a message that is being delivered > array of its archived copies

local function key_of(stanza)
	return table.concat({ stanza.attr.id or "", jid.bare(stanza.attr.from) or "", jid.bare(stanza.attr.to) or "" }, "\0");
end

local function send_on(origin, stanza) -- > array of the message's archived copies
	local key, copies = key_of(stanza), {};
	delivered[stanza] = true;
	archived[key] = copies;
	prosody.core_post_stanza(origin, stanza, true);
	archived[key] = nil;
	return copies;
end

-- mod_mam has stored a message, for its sender or its recipient.
local function on_archived(event)
	local copies = archived[key_of(event.stanza)];
	if copies then
		archive = archive or module:open_store(module:get_option_string("archive_store", "archive"), "archive"); -- as mod_mam does
		table.insert(copies, lookups.copies.archived_copy(archive, event.for_user, event.id));
	end
end

local function on_message(event)
	local origin, stanza = event.origin, event.stanza;
	local st_type = stanza.attr.type or "normal";
	local place, sender = origin.full_jid, jid.bare(origin.full_jid);
	lookups.cancel_late(sender, sender, stanza); -- a correction or retraction
	if delivered[stanza] or st_type ~= "chat" and st_type ~= "normal" then
		return; -- mod_muc_media_metadata annotates messages in rooms
	end
	lookups.strip_metadata(stanza);
	local recipient = jid.bare(stanza.attr.to or sender);
	return lookups.enqueue {
		stanza = stanza, place = place, member = recipient, sender = sender, is_annotated = true;
		find_queue = function () return lookups.find_queue(place, recipient); end;
		deliver = function (entry) entry.copies = send_on(origin, stanza); end;
		find_copies = function (entry) return { place = sender, author = sender, copies = entry.copies }; end;
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
module:hook("archive-message-added", guarded("note an archived message", on_archived));
module:hook("pre-resource-unbind", guarded("flush", on_unbind), 1000);
module:hook_global("server-stopping", guarded("flush", lookups.flush_all));
