-- Stands in for a module that replaces a message in the archive after a moderation: "tombstone <id>" as a body does that.

local jid = require "util.jid";
local st = require "util.stanza";

local archive = module:open_store("muc_log", "archive");

module:hook("muc-occupant-groupchat", function (event)
	local id = (event.stanza:get_child_text("body") or ""):match("^tombstone (.+)$");
	if id then
		local stored = archive:get(jid.node(event.room.jid), id);
		local tombstone = st.message({ from = stored.attr.from, id = stored.attr.id, type = "groupchat" })
			:tag("retracted", { xmlns = "urn:xmpp:message-retract:1" }):reset();
		archive:set(jid.node(event.room.jid), id, tombstone);
	end
end, 10);
