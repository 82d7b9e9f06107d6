-- Adds metadata of posted media URLs (size, type, blurhash, dimensions) from media-oracle to room messages.
--
-- A message with such a URL leaves the room's handlers, waits for the oracle outside of any session, and is broadcast later as the
-- room itself would have done. The messages of one sender keep their order; no other sender's messages wait.

local jid = require "util.jid";
local st = require "util.stanza";

module:depends("muc");

local lookups = module:require "lookups";
local guarded = lookups.guarded;

local room_option = "{xmpp:prosody.im}muc#roomconfig_media_metadata";

local function is_on(room)
	return not room._data.media_metadata_off; -- kept with the room
end

local function find_queue(room, from, occupant) -- > queue or nil; all sessions of an occupant share one, and keep it when the nick changes
	local queue = lookups.find_queue(room.jid, from);
	if queue then
		return queue;
	end
	for real_jid in occupant:each_session() do
		queue = lookups.find_queue(room.jid, real_jid);
		if queue then
			return queue;
		end
	end
end

-- Repeats the room's own checks: seconds have passed. Rooms check only the role: a muted occupant is a "visitor".
local function find_speaker(room, from) -- > occupant JID; or nil, error type, condition, text
	local occupant = room and room:get_occupant_by_real_jid(from);
	local role = occupant and occupant.role;
	if not role or role == "none" then
		return nil, "cancel", "not-acceptable", "You are not currently connected to this chat";
	elseif role == "visitor" then
		return nil, "auth", "forbidden", "You do not currently have permission to speak in this chat";
	end
	return occupant.nick;
end

-- Finds rooms and mod_muc itself each time: idle rooms are unloaded to disk and loaded again, and mod_muc may be reloaded.
local function get_room(room_jid) -- > room, or nil or false
	local mod_muc = prosody.hosts[module.host].modules.muc;
	return mod_muc and mod_muc.get_room_from_jid(room_jid);
end

-- Does the same as mod_muc after muc-occupant-groupchat.
local function broadcast(room_jid, entry) -- > false if the sender may no longer speak
	local stanza, from = entry.stanza, entry.stanza.attr.from;
	local room = get_room(room_jid);
	local nick, err_type, condition, text = find_speaker(room, from);
	nick = nick or room and entry.nick;
	if not nick then
		module:send(st.error_reply(stanza, err_type, condition, text, room_jid));
		return false;
	end
	stanza.attr.from = nick;
	room:broadcast_message(stanza);
	stanza.attr.from = from;
	entry.broadcast_by = nick;
end

-- The stored copies of a message, which are completed if its metadata is late.

local muc_log; -- mod_muc_mam's archive

local function find_archived(room_jid, stanza) -- > copy in the room's archive, or nil
	for stanza_id in stanza:childtags("stanza-id", "urn:xmpp:sid:0") do -- XEP-0359, from mod_muc_mam
		if stanza_id.attr.by == room_jid and stanza_id.attr.id then
			muc_log = muc_log or module:open_store("muc_log", "archive");
			return lookups.copies.archived_copy(muc_log, jid.node(room_jid), stanza_id.attr.id);
		end
	end
end

local function find_historic(room_jid, stanza, nick) -- > copy in the room's history, which is sent to new occupants
	local mark = lookups.copies.fingerprint(stanza);
	local function find_item()
		local room = get_room(room_jid);
		local history = room and room._history or {};
		for i = #history, 1, -1 do
			if history[i].stanza.attr.from == nick and lookups.copies.fingerprint(history[i].stanza) == mark then
				return history[i];
			end
		end
	end
	if not find_item() then
		return nil;
	end
	return {
		get = function () return (find_item() or {}).stanza; end;
		set = function (new_stanza)
			local item = find_item();
			item.stanza, item.chars = new_stanza, nil; -- chars: its length
			return true;
		end;
	};
end

local function find_copies(room_jid, entry) -- > { place, author, copies }
	local nick = entry.broadcast_by;
	local copies = { find_historic(room_jid, entry.stanza, nick) };
	table.insert(copies, (find_archived(room_jid, entry.stanza)));
	return { place = room_jid, author = nick, copies = copies };
end

local function on_broadcast(event)
	lookups.cancel_late(event.room.jid, event.stanza.attr.from, event.stanza);
end

local function on_groupchat(event)
	local room, stanza, occupant = event.room, event.stanza, event.occupant;
	local from = stanza.attr.from;
	if not occupant or occupant.nick ~= room:get_occupant_jid(from) then
		return; -- another module replaced the occupant, whom broadcast() could not find again
	end
	local room_jid = room.jid;
	return lookups.enqueue {
		stanza = stanza, place = room_jid, member = from, sender = jid.bare(from), is_annotated = is_on(room);
		find_queue = function () return find_queue(room, from, occupant); end;
		deliver = function (entry) return broadcast(room_jid, entry); end;
		find_copies = function (entry) return find_copies(room_jid, entry); end;
	} or nil;
end

local function on_any_groupchat(event)
	lookups.strip_metadata(event.stanza);
end

-- A message to an occupant waits in the same queue as the sender's messages to the room, which keeps their order. The room has checked
-- nothing yet: it handles the stanza when it leaves the queue.
local function on_private(event)
	local origin, stanza = event.origin, event.stanza;
	local st_type = stanza.attr.type or "normal";
	if not lookups.config.private or st_type ~= "chat" and st_type ~= "normal" then
		return;
	end
	local from, room_jid = stanza.attr.from, jid.bare(stanza.attr.to);
	local room = get_room(room_jid);
	local occupant = room and room:get_occupant_by_real_jid(from);
	if not occupant then
		return; -- the room sends the error
	end
	lookups.strip_metadata(stanza);
	return lookups.enqueue {
		stanza = stanza, place = room_jid, member = from, sender = jid.bare(from), is_annotated = is_on(room);
		find_queue = function () return find_queue(room, from, occupant); end;
		deliver = function ()
			local room_now = get_room(room_jid);
			if room_now then
				room_now:handle_message_to_occupant(origin, stanza);
			end
		end;
	} or nil;
end

-- Fires before other occupants see the leave, for lost connections too.
local function on_leave(event)
	local room, real_jid = event.room, event.stanza.attr.from;
	local queue = lookups.find_queue(room.jid, real_jid);
	if not queue then
		return;
	end
	-- With an asynchronous archive some messages are broadcast after the leave: check the sender's role now.
	for _, entry in ipairs(queue.waiting) do
		entry.nick = find_speaker(room, entry.stanza.attr.from);
	end
	lookups.flush(queue);
end

local function flush_session(room_jid, real_jid)
	local queue = lookups.find_queue(room_jid, real_jid);
	if queue then
		lookups.flush(queue);
	end
end

-- For occupants who were removed (on_leave() has flushed the others before): the check in broadcast() returns the messages.
local function on_left(event)
	if event.stanza and event.stanza.attr.type ~= "unavailable" then
		return; -- a change of nick fires this event too, with the presence that requests it
	end
	for real_jid in event.occupant:each_session() do
		flush_session(event.room.jid, real_jid);
	end
end

-- The room treats an error as a lost connection, and removes the occupant without firing muc-occupant-pre-leave.
local function on_error_stanza(event)
	local stanza = event.stanza;
	if stanza.attr.type == "error" then
		flush_session(jid.bare(stanza.attr.to), stanza.attr.from);
	end
end

local function on_destroy(event)
	lookups.flush_place(event.room.jid);
end

-- The option of a room's owners.

local function add_room_option(event)
	table.insert(event.form, {
		name = room_option;
		type = "boolean";
		label = "Look up the size and a preview of posted media";
		desc = "The server opens the links of pictures and files that are posted here, so that the readers' apps need not";
		value = is_on(event.room);
	});
end

local function on_room_option(event)
	local room = event.room;
	if event.value ~= is_on(room) then
		room._data.media_metadata_off = not event.value or nil;
		event.status_codes["104"] = true; -- XEP-0045: the configuration changed
	end
end

local function add_room_info(event)
	local room = event.room;
	if is_on(room) then
		event.reply:tag("feature", { var = lookups.xmlns_metadata }):up();
	end
	table.insert(event.form, { name = room_option, type = "boolean" });
	event.formdata[room_option] = is_on(room);
end

function module.unload()
	lookups.flush_all();
end

local function hook(name, handler, priority)
	module:hook(name, guarded("handle "..name, handler), priority);
end

module:add_feature(lookups.xmlns_metadata);

hook("muc-occupant-groupchat", on_any_groupchat, 100);
-- After the role check (50), changes of subject and media restrictions (20), limits and occupant ids (0).
hook("muc-occupant-groupchat", on_groupchat, -100);
hook("muc-broadcast-message", on_broadcast);
hook("muc-occupant-pre-leave", on_leave, -100);
hook("muc-occupant-left", on_left);
hook("muc-pre-room-destroy", on_destroy, -100);
hook("presence/full", on_error_stanza); -- before mod_muc's handler (-2), which may remove the occupant
hook("message/full", on_error_stanza);
hook("message/bare", on_error_stanza);
hook("message/full", on_private, -1); -- the last before mod_muc's handler (-2)
hook("muc-config-form", add_room_option, 70 - 1); -- under "Other options"
hook("muc-config-submitted/"..room_option, on_room_option);
hook("muc-disco#info", add_room_info);
module:hook_global("server-stopping", guarded("flush", lookups.flush_all));
