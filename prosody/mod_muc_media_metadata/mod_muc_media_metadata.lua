-- Adds what media-oracle knows of a posted media URL (size, type, blurhash, dimensions) to the room message that carries it.
--
-- A message with such a URL is taken out of the room's hands, waits for the oracle outside of any session, and is broadcast
-- later as the room itself would have done. One sender's messages keep their order; nobody else waits.

local jid = require "util.jid";
local st = require "util.stanza";

module:depends("muc");

local lookups = module:require "lookups";
local guarded = lookups.guarded;

local annotates_private = module:get_option_boolean("muc_media_metadata_private", false); -- messages between two in a room

local room_option = "{xmpp:prosody.im}muc#roomconfig_media_metadata";

local function is_on(room)
	return not room._data.media_metadata_off; -- kept with the room
end

local function find_line(room, from, occupant) -- > line or nil; all sessions of an occupant share one, and keep it over a change of nick
	local line = lookups.line_of(room.jid, from);
	if line then
		return line;
	end
	for real_jid in occupant:each_session() do
		line = lookups.line_of(room.jid, real_jid);
		if line then
			return line;
		end
	end
end

-- The room's own checks, once more: seconds have passed. Rooms ask only for the role, so a "visitor" is what muting makes.
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

-- Rooms and mod_muc itself are looked up each time: idle rooms are swapped to the disk and back, and mod_muc may be reloaded.
local function get_room(room_jid) -- > room, or nil or false
	local mod_muc = prosody.hosts[module.host].modules.muc;
	return mod_muc and mod_muc.get_room_from_jid(room_jid);
end

-- What mod_muc does after muc-occupant-groupchat.
local function broadcast(room_jid, entry) -- > false where the sender may no longer speak
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
end

local function on_groupchat(event)
	local room, stanza, occupant = event.room, event.stanza, event.occupant;
	local from = stanza.attr.from;
	if not occupant or occupant.nick ~= room:get_occupant_jid(from) then
		return; -- Another module lets somebody speak for another: there is nobody to find again.
	end
	local room_jid = room.jid;
	return lookups.take {
		stanza = stanza, place = room_jid, who = from, looks_up = is_on(room);
		find_line = function () return find_line(room, from, occupant); end;
		deliver = function (entry) return broadcast(room_jid, entry); end;
	} or nil;
end

local function on_any_groupchat(event)
	lookups.strip_metadata(event.stanza);
end

-- A message to an occupant waits in the same line: what somebody says in a room is heard in the order in which they said it.
-- All that the room checks is still to be done: it is handed to the room when its time comes.
local function on_private(event)
	local origin, stanza = event.origin, event.stanza;
	local st_type = stanza.attr.type or "normal";
	if not annotates_private or st_type ~= "chat" and st_type ~= "normal" then
		return;
	end
	local from, room_jid = stanza.attr.from, jid.bare(stanza.attr.to);
	local room = get_room(room_jid);
	local occupant = room and room:get_occupant_by_real_jid(from);
	if not occupant then
		return; -- The room says so.
	end
	lookups.strip_metadata(stanza);
	return lookups.take {
		stanza = stanza, place = room_jid, who = from, looks_up = is_on(room);
		find_line = function () return find_line(room, from, occupant); end;
		deliver = function ()
			local room_now = get_room(room_jid);
			if room_now then
				room_now:handle_message_to_occupant(origin, stanza);
			end
		end;
	} or nil;
end

-- Fires before the leave is seen by anybody, for lost connections too.
local function on_leave(event)
	local room, real_jid = event.room, event.stanza.attr.from;
	local line = lookups.line_of(room.jid, real_jid);
	if not line then
		return;
	end
	-- With an asynchronous archive some go out after the leave: who may speak is settled now.
	for _, entry in ipairs(line.waiting) do
		entry.nick = find_speaker(room, entry.stanza.attr.from);
	end
	lookups.flush(line);
end

local function flush_session(room_jid, real_jid)
	local line = lookups.line_of(room_jid, real_jid);
	if line then
		lookups.flush(line);
	end
end

-- Left against their will (whoever leaves has been flushed before): the messages are returned by the check in broadcast().
local function on_left(event)
	if event.stanza and event.stanza.attr.type ~= "unavailable" then
		return; -- A change of nick comes by here as well, with the presence that asks for it.
	end
	for real_jid in event.occupant:each_session() do
		flush_session(event.room.jid, real_jid);
	end
end

-- The room takes errors for a lost connection, and removes the occupant without asking any handler.
local function on_error_stanza(event)
	local stanza = event.stanza;
	if stanza.attr.type == "error" then
		flush_session(jid.bare(stanza.attr.to), stanza.attr.from);
	end
end

local function on_destroy(event)
	lookups.flush_place(event.room.jid);
end

-- A room's owners decide.

local function add_room_option(event)
	table.insert(event.form, {
		name = room_option;
		type = "boolean";
		label = "Look up the size and a preview of posted media";
		desc = "The server opens the links of pictures and files that are posted here, so that the apps of those who read need not";
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
hook("muc-occupant-pre-leave", on_leave, -100);
hook("muc-occupant-left", on_left);
hook("muc-pre-room-destroy", on_destroy, -100);
hook("presence/full", on_error_stanza); -- before mod_muc's (-2), which may remove the occupant
hook("message/full", on_error_stanza);
hook("message/bare", on_error_stanza);
hook("message/full", on_private, -1); -- the last before mod_muc's
hook("muc-config-form", add_room_option, 70 - 1); -- under "Other options"
hook("muc-config-submitted/"..room_option, on_room_option);
hook("muc-disco#info", add_room_info);
module:hook_global("server-stopping", guarded("flush", lookups.flush_all));
