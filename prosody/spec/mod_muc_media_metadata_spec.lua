package.path = "prosody/spec/?.lua;"..package.path;
local support = require "library";
local st, message = support.st, support.message;

local describe = support.has_prosody and describe or pending;

local url = "https://upload.example/a.jpg";
local room_jid = "room@rooms.example";
local alice, bob = "alice@example.net/phone", "bob@example.net/phone";
local room_option = "{xmpp:prosody.im}muc#roomconfig_media_metadata";

describe("the module for rooms", function ()
	local module, hooks, hosts, lookups, queues, enqueued, flushed, stripped, cancelled, sent, archives, is_queued;
	local room, occupants;

	-- options: of lookups.config
	local function load_module(options)
		hooks, queues, enqueued, flushed, stripped, cancelled, sent, archives, is_queued = {}, {}, {}, {}, {}, {}, {}, {}, true;
		lookups = {
			config = options or {};
			copies = support.load_library("copies");
			xmlns_metadata = "urn:metadata";
			guarded = function (_, handler) return handler; end;
			strip_metadata = function (stanza) table.insert(stripped, stanza); end;
			cancel_late = function (...) table.insert(cancelled, { ... }); end;
			find_queue = function (place, member) return queues[place.." "..member]; end;
			enqueue = function (what) table.insert(enqueued, what); return is_queued; end;
			flush = function (queue) table.insert(flushed, queue.name); end;
			flush_place = function (place) table.insert(flushed, place); end;
			flush_all = function () table.insert(flushed, "all"); end;
		};
		module = {
			host = "rooms.example"; features = {};
			depends = function () end;
			require = function () return lookups; end;
			add_feature = function (self, feature) table.insert(self.features, feature); end;
			hook = function (_, name, handler, priority) table.insert(hooks, { name = name, run = handler, priority = priority or 0 }); end;
			hook_global = function (_, name, handler) table.insert(hooks, { name = "global "..name, run = handler, priority = 0 }); end;
			send = function (_, stanza) table.insert(sent, stanza); end;
			open_store = function (_, name, kind)
				local store = { name = name, kind = kind };
				function store:get(username, id) return self.name.." "..username.." "..id; end
				function store:set() return self ~= nil; end
				table.insert(archives, store);
				return store;
			end;
		};
		hosts = { ["rooms.example"] = { modules = { muc = {
			get_room_from_jid = function (jid) return jid == room_jid and room or nil; end;
		} } } };
		support.load_file("mod_muc_media_metadata/mod_muc_media_metadata.lua", {}, { module = module; prosody = { hosts = hosts } })();
	end

	local function occupant(nick, role, ...) -- > occupant with these sessions
		local sessions = { ... };
		local one = { nick = room_jid.."/"..nick; role = role };
		function one:each_session() -- luacheck: ignore 212/self
			local at = 0;
			return function () at = at + 1; return sessions[at]; end;
		end
		for _, real_jid in ipairs(sessions) do occupants[real_jid] = one; end
		return one;
	end

	before_each(function ()
		load_module();
		occupants = {};
		room = { jid = room_jid; _data = {}; _history = {}; broadcasts = {}; private = {} };
		function room:get_occupant_by_real_jid(real_jid) return occupants[real_jid], self; end
		function room:get_occupant_jid(real_jid) return occupants[real_jid] and occupants[real_jid].nick, self; end
		function room:broadcast_message(stanza) table.insert(self.broadcasts, stanza.attr.from.." "..stanza.attr.id); end
		function room:handle_message_to_occupant(origin, stanza) table.insert(self.private, { origin, stanza }); end
	end);

	local function posted(from, attr) -- > message
		local stanza = message(url):body(url);
		stanza.attr.id, stanza.attr.from, stanza.attr.to = "m1", from or alice, room_jid;
		for name, value in pairs(attr or {}) do stanza.attr[name] = value; end
		return stanza;
	end

	local function handlers_of(name) -- > array of hooks, in the order in which Prosody runs them
		local found = {};
		for _, hook in ipairs(hooks) do
			if hook.name == name then table.insert(found, hook); end
		end
		table.sort(found, function (a, b) return a.priority > b.priority; end);
		return found;
	end

	local function fire(name, event, position) -- > result of the handler; position: of several handlers
		return handlers_of(name)[position or 1].run(event);
	end

	local function post(stanza, sender) -- > result of the handler that may take the message away from the room
		return fire("muc-occupant-groupchat", { room = room, stanza = stanza, occupant = sender or occupants[stanza.attr.from] }, 2);
	end

	it("handles messages in a room after the room's own checks, and removes forged metadata before them", function ()
		local groupchat, full = handlers_of("muc-occupant-groupchat"), handlers_of("message/full");
		assert.is_true(groupchat[1].priority > 50); -- the role check
		assert.is_true(groupchat[2].priority < 0);
		assert.is_true(full[2].priority > -2 and full[2].priority < 0); -- -2: mod_muc's handler
		assert.is_true(handlers_of("muc-config-form")[1].priority < 70); -- 70: the heading of the form's other options
		assert.same({ "urn:metadata" }, module.features);
	end);

	it("removes forged metadata of every message in a room", function ()
		local stanza = posted();
		fire("muc-occupant-groupchat", { room = room, stanza = stanza });
		assert.same({ stanza }, stripped);
	end);

	it("puts an occupant's message into the sender's queue, and lets it pass if nothing is to be looked up", function ()
		occupant("alice", "participant", alice);
		local stanza = posted();
		assert.is_true(post(stanza));
		local what = enqueued[1];
		assert.same({ stanza, room_jid, alice, "alice@example.net", true },
			{ what.stanza, what.place, what.member, what.sender, what.is_annotated });
		is_queued = false;
		assert.is_nil(post(stanza));
		room._data.media_metadata_off = true;
		post(stanza);
		assert.is_false(enqueued[3].is_annotated);
	end);

	it("leaves a message alone whose occupant another module replaced", function ()
		occupant("alice", "participant", alice);
		assert.is_nil(post(posted(), { nick = room_jid.."/other" }));
		assert.is_nil(fire("muc-occupant-groupchat", { room = room, stanza = posted() }, 2));
		assert.same({}, enqueued);
	end);

	it("finds the queue of the session, or that of another session of the occupant", function ()
		local desktop = "alice@example.net/desktop";
		occupant("alice", "participant", "alice@example.net/tablet", desktop, alice);
		post(posted());
		assert.is_nil(enqueued[1].find_queue());
		queues[room_jid.." "..desktop] = { name = "desktop" };
		assert.equal("desktop", enqueued[1].find_queue().name);
		queues[room_jid.." "..alice] = { name = "phone" };
		assert.equal("phone", enqueued[1].find_queue().name);
	end);

	it("broadcasts a message as the occupant, whose nick may have changed while it waited", function ()
		local sender = occupant("alice", "participant", alice);
		local stanza = posted();
		post(stanza);
		sender.nick = room_jid.."/alicia";
		assert.is_nil(enqueued[1].deliver({ stanza = stanza }));
		assert.same({ room_jid.."/alicia m1" }, room.broadcasts);
		assert.equal(alice, stanza.attr.from);
		assert.same({}, sent);
	end);

	it("returns a message with the room's error if its sender left or was muted while it waited", function ()
		for _, case in ipairs {
			{ "cancel", "not-acceptable", "You are not currently connected to this chat" };
			{ "cancel", "not-acceptable", "You are not currently connected to this chat", role = "none" };
			{ "auth", "forbidden", "You do not currently have permission to speak in this chat", role = "visitor" };
			{ "cancel", "not-acceptable", "You are not currently connected to this chat", role = "participant", is_gone = true };
		} do
			load_module();
			occupants = {};
			local sender = occupant("alice", "participant", alice);
			local stanza = posted();
			post(stanza);
			sender.role = case.role;
			if not case.role then
				occupants = {};
			elseif case.is_gone then
				hosts["rooms.example"].modules.muc = nil;
			end
			assert.is_false(enqueued[1].deliver({ stanza = stanza }));
			assert.equal(1, #sent);
			local err_type, condition, text = sent[1]:get_error();
			assert.same({ case[1], case[2], case[3] }, { err_type, condition, text });
			assert.same({ alice, room_jid }, { sent[1].attr.to, sent[1].attr.from });
		end
		assert.same({}, room.broadcasts);
	end);

	it("broadcasts a message of an occupant who left while an earlier one was delivered, but not in a room that is gone", function ()
		local sender = occupant("alice", "participant", alice);
		local stanza = posted();
		post(stanza);
		local entry = { stanza = stanza };
		queues[room_jid.." "..alice] = { name = "queue", waiting = { entry } };
		fire("muc-occupant-pre-leave", { room = room, stanza = st.presence({ from = alice, type = "unavailable" }) });
		assert.same({ "queue" }, flushed);
		occupants = {};
		enqueued[1].deliver(entry);
		assert.same({ sender.nick.." m1" }, room.broadcasts);
		room = nil;
		assert.is_false(enqueued[1].deliver(entry));
	end);

	it("has nothing to deliver for an occupant that leaves and has no waiting message", function ()
		occupant("alice", "participant", alice);
		fire("muc-occupant-pre-leave", { room = room, stanza = st.presence({ from = alice, type = "unavailable" }) });
		assert.same({}, flushed);
	end);

	it("delivers the waiting messages of each session that was removed, but not at a change of nick", function ()
		local gone = occupant("alice", "none", alice, "alice@example.net/desktop");
		queues[room_jid.." "..alice] = { name = "phone" };
		queues[room_jid.." alice@example.net/desktop"] = { name = "desktop" };
		fire("muc-occupant-left", { room = room, occupant = gone, stanza = st.presence({ from = alice }) });
		assert.same({}, flushed);
		fire("muc-occupant-left", { room = room, occupant = gone });
		assert.same({ "phone", "desktop" }, flushed);
		fire("muc-occupant-left", { room = room, occupant = gone, stanza = st.presence({ from = alice, type = "unavailable" }) });
		assert.equal(4, #flushed);
	end);

	it("delivers the waiting messages of a session that sends an error, before the room removes it", function ()
		for _, name in ipairs { "presence/full", "message/full", "message/bare" } do
			load_module();
			queues[room_jid.." "..alice] = { name = "queue" };
			local stanza = st.message({ from = alice, to = room_jid.."/bob", type = "chat" });
			assert.is_nil(fire(name, { stanza = stanza }));
			assert.same({}, flushed);
			stanza.attr.type = "error";
			assert.is_nil(fire(name, { stanza = stanza }));
			assert.same({ "queue" }, flushed);
			assert.is_true(handlers_of(name)[1].priority > -2);
			stanza.attr.from = bob;
			fire(name, { stanza = stanza });
			assert.same({ "queue" }, flushed);
		end
	end);

	it("delivers all waiting messages of a room that is destroyed, and all when the module or the server stops", function ()
		fire("muc-pre-room-destroy", { room = room });
		assert.same({ room_jid }, flushed);
		module.unload();
		fire("global server-stopping");
		assert.same({ room_jid, "all", "all" }, flushed);
	end);

	it("passes each broadcast to the late metadata, since it may be a correction", function ()
		local stanza = posted(room_jid.."/alice");
		fire("muc-broadcast-message", { room = room, stanza = stanza });
		assert.same({ { room_jid, room_jid.."/alice", stanza } }, cancelled);
	end);

	describe("finds the stored copies of a broadcast message:", function ()
		local function find_copies(stanza) -- > copies of a message of alice
			local entry = { stanza = stanza };
			occupant("alice", "participant", alice);
			post(stanza);
			enqueued[#enqueued].deliver(entry);
			local found = enqueued[#enqueued].find_copies(entry);
			assert.same({ room_jid, room_jid.."/alice" }, { found.place, found.author });
			return found.copies;
		end

		local function stanza_id(stanza, by, id)
			stanza:tag("stanza-id", { xmlns = "urn:xmpp:sid:0", by = by, id = id }):up();
			return stanza;
		end

		local function item(from, id, length) return { stanza = posted(from, { id = id }), chars = length }; end

		it("the module finds none if the room keeps none", function ()
			assert.same({}, find_copies(posted()));
			room._history = nil;
			assert.same({}, find_copies(posted()));
			assert.same({}, archives);
		end);

		it("the module finds the one in the archive by the id that the room gave it", function ()
			for at = 1, 2 do
				local stanza = stanza_id(stanza_id(stanza_id(posted(), "other@rooms.example", "s1"), room_jid, nil), room_jid, "s2");
				local copies = find_copies(stanza);
				assert.equal(1, #copies);
				assert.equal("muc_log room s2", copies[1].get());
				assert.equal(at, #enqueued);
			end
			assert.equal(1, #archives); -- opened once
			assert.equal("archive", archives[1].kind);
			assert.same({}, find_copies(stanza_id(posted(), "other@rooms.example", "s1")));
		end);

		it("the module finds the one in the room's history by its author and its content, and replaces it there", function ()
			local ours, others = item(room_jid.."/alice", "m1", 100), item(room_jid.."/bob", "m1", 100);
			for _, history in ipairs { { ours }, { ours, others }, { ours, others, item(room_jid.."/alice", "m2") }, { others, ours } } do
				ours.stanza, ours.chars = posted(room_jid.."/alice"), 100;
				local before = ours.stanza;
				room._history = history;
				local copies = find_copies(posted());
				assert.equal(1, #copies);
				assert.equal(before, copies[1].get());
				local completed = posted(room_jid.."/alice");
				assert.is_true(copies[1].set(completed));
				assert.same({ completed, nil }, { ours.stanza, ours.chars });
				assert.is_true(ours.stanza == completed and others.stanza ~= completed);
				assert.equal(100, others.chars);
				room._history = {};
				assert.is_nil(copies[1].get());
				room = setmetatable({ _history = false }, { __index = room });
				assert.is_nil(copies[1].get());
			end
			room._history = { others };
			assert.same({}, find_copies(posted()));
		end);

		it("the module finds both, the one in the history first", function ()
			room._history = { item(room_jid.."/alice", "m1") };
			local copies = find_copies(stanza_id(posted(), room_jid, "s1"));
			assert.equal(2, #copies);
			assert.equal("muc_log room s1", copies[2].get());
		end);
	end);

	describe("for messages between two occupants", function ()
		local function send_private(attr) -- > result of the handler, the stanza
			local stanza = posted(alice, { to = room_jid.."/bob", type = "chat" });
			for name, value in pairs(attr or {}) do stanza.attr[name] = value or nil; end
			return fire("message/full", { origin = "session", stanza = stanza }, 2), stanza;
		end

		before_each(function ()
			load_module({ private = true });
			occupant("alice", "participant", alice);
		end);

		it("the module does nothing unless the option is set", function ()
			load_module({ private = false });
			assert.is_nil((send_private()));
			assert.same({ {}, {} }, { enqueued, stripped });
		end);

		it("the module puts them into the sender's queue, without forged metadata", function ()
			for _, st_type in ipairs { "chat", "normal", false } do
				load_module({ private = true });
				local is_handled, stanza = send_private({ type = st_type });
				assert.is_true(is_handled);
				local what = enqueued[1];
				assert.same({ stanza, room_jid, alice, "alice@example.net", true },
					{ what.stanza, what.place, what.member, what.sender, what.is_annotated });
				assert.is_nil(what.find_copies);
				assert.same({ stanza }, stripped);
				queues[room_jid.." "..alice] = { name = "queue" };
				assert.equal("queue", what.find_queue().name);
			end
			is_queued = false;
			assert.is_nil((send_private()));
		end);

		it("the module leaves other types of messages and strangers to the room", function ()
			for _, attr in ipairs { { type = "groupchat" }, { type = "error" }, { from = bob }, { to = "other@rooms.example/bob" } } do
				assert.is_nil((send_private(attr)));
			end
			assert.same({ {}, {} }, { enqueued, stripped });
		end);

		it("the module does not look them up in a room that is switched off", function ()
			room._data.media_metadata_off = true;
			send_private();
			assert.is_false(enqueued[1].is_annotated);
		end);

		it("the room handles them when they leave the queue, if it is still there", function ()
			local _, stanza = send_private();
			enqueued[1].deliver({});
			assert.same({ { "session", stanza } }, room.private);
			local former = room;
			room = nil;
			enqueued[1].deliver({});
			assert.equal(1, #former.private);
		end);
	end);

	describe("has an option of a room's owners:", function ()
		local function submit(value) -- > status codes
			local codes = {};
			fire("muc-config-submitted/"..room_option, { room = room, value = value, status_codes = codes });
			return codes;
		end

		it("it is on unless it was switched off, which the room keeps", function ()
			assert.same({}, submit(true));
			assert.is_nil(room._data.media_metadata_off);
			assert.same({ ["104"] = true }, submit(false));
			assert.is_true(room._data.media_metadata_off);
			assert.same({}, submit(false));
			assert.same({ ["104"] = true }, submit(true));
			assert.is_nil(room._data.media_metadata_off);
		end);

		it("it is in the form with its value", function ()
			for _, is_off in ipairs { false, true } do
				room._data.media_metadata_off = is_off or nil;
				local form = {};
				fire("muc-config-form", { room = room, form = form });
				assert.same({ 1, room_option, "boolean", not is_off }, { #form, form[1].name, form[1].type, form[1].value });
				assert.matches("%w", form[1].label);
				assert.matches("%w", form[1].desc);
			end
		end);

		it("it is in the room's disco#info, and the feature is there if it is on", function ()
			for _, is_off in ipairs { false, true } do
				room._data.media_metadata_off = is_off or nil;
				local event = { room = room, reply = st.stanza("query"), form = {}, formdata = {} };
				fire("muc-disco#info", event);
				assert.same({ { { name = room_option, type = "boolean" } }, { [room_option] = not is_off } }, { event.form, event.formdata });
				assert.equal(is_off and 0 or 1, #event.reply.tags);
				assert.equal(is_off and "" or "urn:metadata", (event.reply.tags[1] or { attr = { var = "" } }).attr.var);
			end
		end);
	end);
end);
