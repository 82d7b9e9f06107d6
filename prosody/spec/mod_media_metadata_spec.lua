package.path = "prosody/spec/?.lua;"..package.path;
local support = require "library";
local st, message = support.st, support.message;

local describe = support.has_prosody and describe or pending;

local url = "https://upload.example/a.jpg";
local alice, phone, bob = "alice@example.net", "alice@example.net/phone", "bob@example.org";

describe("the module for one-to-one messages", function ()
	local module, hooks, lookups, enqueued, flushed, stripped, cancelled, routed, archives, is_queued, during_delivery;

	-- options: of the host; host_type: "local" or "component"
	local function load_module(options, host_type)
		hooks, enqueued, flushed, stripped, cancelled, routed, archives, is_queued = {}, {}, {}, {}, {}, {}, {}, true;
		during_delivery = function () end;
		lookups = {
			copies = { archived_copy = function (archive, username, id) return table.concat({ archive.name, username, id }, " "); end };
			xmlns_metadata = "urn:metadata";
			guarded = function (_, handler) return handler; end;
			strip_metadata = function (stanza) table.insert(stripped, stanza); end;
			cancel_late = function (...) table.insert(cancelled, { ... }); end;
			find_queue = function (place, member) return "queue of "..place.." to "..member; end;
			enqueue = function (what) table.insert(enqueued, what); return is_queued; end;
			flush_place = function (place) table.insert(flushed, place); end;
			flush_all = function () table.insert(flushed, "all"); end;
		};
		module = {
			environment = {}; features = {};
			get_host_type = function () return host_type or "local"; end;
			get_option_string = function (_, name, default) return (options or {})[name] or default; end;
			add_feature = function (self, feature) table.insert(self.features, feature); end;
			hook = function (_, name, handler, priority) table.insert(hooks, { name = name, run = handler, priority = priority or 0 }); end;
			hook_global = function (_, name, handler) table.insert(hooks, { name = "global "..name, run = handler, priority = 0 }); end;
			open_store = function (_, name, kind)
				local store = { name = name; kind = kind };
				table.insert(archives, store);
				return store;
			end;
		};
		local loader = { load_code_ext = function (_, name, library, extension, environment)
			assert.same({ "muc_media_metadata", "lookups", "lib.lua" }, { name, library, extension });
			assert.equal(module.environment, environment);
			return function () return lookups; end;
		end };
		local prosody = {
			core_post_stanza = function (...)
				table.insert(routed, { ... });
				during_delivery();
			end;
		};
		support.load_file("mod_media_metadata/mod_media_metadata.lua", { ["core.modulemanager"] = { loader = loader } },
			{ module = module; prosody = prosody })();
	end

	before_each(function () load_module(); end);

	local function find_hook(name)
		for _, hook in ipairs(hooks) do
			if hook.name == name then return hook; end
		end
		error("no handler of "..name);
	end

	local origin = { full_jid = phone };

	-- kind: of the recipient's address
	local function send(stanza, kind) -- > result of the handler of a sent message
		return find_hook("pre-message/"..(kind or "bare")).run({ origin = origin, stanza = stanza });
	end

	local function sent(attr) -- > message from alice to bob; attr: false for an attribute that it has not
		local stanza = message(url):body(url);
		stanza.attr.id, stanza.attr.from, stanza.attr.to, stanza.attr.type = "m1", phone, bob.."/tablet", "chat";
		for name, value in pairs(attr or {}) do stanza.attr[name] = value or nil; end
		return stanza;
	end

	local function archive(stanza, username, id)
		find_hook("archive-message-added").run({ stanza = stanza, for_user = username, id = id });
	end

	it("does not load on a component, whose rooms have another module", function ()
		local is_loaded, problem = pcall(load_module, {}, "component");
		assert.is_false(is_loaded);
		assert.matches("mod_media_metadata is for a VirtualHost", problem);
	end);

	it("handles sent messages of all kinds of recipients before other modules", function ()
		for _, kind in ipairs { "bare", "full", "host" } do
			assert.is_true(find_hook("pre-message/"..kind).priority >= 1000);
			assert.is_true(send(sent(), kind));
		end
		assert.equal(3, #enqueued);
		assert.same({ "urn:metadata" }, module.features);
	end);

	it("puts a message into the queue of its session and recipient, without forged metadata", function ()
		for _, st_type in ipairs { "chat", "normal", false } do
			load_module();
			local stanza = sent({ type = st_type });
			assert.is_true(send(stanza));
			local what = enqueued[1];
			assert.same({ stanza, phone, bob, alice, true }, { what.stanza, what.place, what.member, what.sender, what.is_annotated });
			assert.equal("queue of "..phone.." to "..bob, what.find_queue());
			assert.same({ stanza }, stripped);
		end
	end);

	it("takes a message without a recipient for one to the sender's own account", function ()
		send(sent({ to = false }));
		assert.equal(alice, enqueued[1].member);
	end);

	it("lets a message pass if nothing is to be looked up", function ()
		is_queued = false;
		assert.is_nil(send(sent()));
	end);

	it("leaves other types of messages alone", function ()
		for _, st_type in ipairs { "groupchat", "error", "headline" } do
			assert.is_nil(send(sent({ type = st_type })));
		end
		assert.same({ {}, {} }, { enqueued, stripped });
	end);

	it("passes each message to the late metadata, since it may be a correction", function ()
		local stanza = sent();
		send(stanza);
		assert.same({ { alice, alice, stanza } }, cancelled);
	end);

	it("routes a message that leaves its queue as if it had just been sent, and lets it pass then", function ()
		local stanza = sent();
		send(stanza);
		local result = {};
		during_delivery = function () table.insert(result, send(stanza) == nil); end;
		enqueued[1].deliver({});
		assert.same({ { origin, stanza, true } }, routed); -- true: the pre-message events fire
		assert.same({ true }, result);
		assert.same({ 1, 1 }, { #enqueued, #stripped });
	end);

	it("knows the copies of a message that the archive makes while it is delivered, for its sender and its recipient", function ()
		for _, store_name in ipairs { false, "archive2" } do
			load_module({ archive_store = store_name or nil });
			local stanza = sent();
			send(stanza);
			during_delivery = function ()
				archive(st.clone(stanza), "alice", "s1");
				archive(st.clone(stanza), "bob", "s2");
				archive(sent({ id = "m2" }), "alice", "s3");
				archive(sent({ id = false }), "alice", "s4");
				archive(sent({ from = "carol@example.net" }), "alice", "s5");
				archive(sent({ to = "carol@example.net" }), "alice", "s6");
				archive(sent({ from = false, to = false }), "alice", "s7");
			end;
			local entry = {};
			assert.is_nil(enqueued[1].deliver(entry));
			archive(stanza, "alice", "s8");
			local name = store_name or "archive";
			assert.same({ place = alice, author = alice, copies = { name.." alice s1", name.." bob s2" } }, enqueued[1].find_copies(entry));
			assert.same({ { name = name, kind = "archive" } }, archives); -- opened once
		end
	end);

	it("knows the copies of a message without an id or a recipient", function ()
		local stanza = sent({ id = false, to = false });
		send(stanza);
		during_delivery = function () archive(stanza, "alice", "s1"); end;
		local entry = {};
		enqueued[1].deliver(entry);
		assert.same({ "archive alice s1" }, enqueued[1].find_copies(entry).copies);
	end);

	it("delivers the waiting messages of a session before it ends", function ()
		find_hook("pre-resource-unbind").run({ session = { full_jid = phone } });
		assert.same({ phone }, flushed);
	end);

	it("delivers all waiting messages when the module or the server stops", function ()
		module.unload();
		find_hook("global server-stopping").run();
		assert.same({ "all", "all" }, flushed);
	end);
end);
