package.path = "prosody/spec/?.lua;"..package.path;
local support = require "library";
local message, set = support.message, support.set;

local describe = support.has_prosody and describe or pending;

local xmlns_metadata = "xmpp:prosody.im/protocol/media-metadata#0";
local url, other_url = "https://upload.example/a.jpg", "https://upload.example/b.jpg";
local alice, bob = "alice@example.net", "bob@example.net";
local room = "room@rooms.example";

describe("a message with media", function ()
	local lookups, late, started, given_up, cancelled, logged, metrics, buckets, tasks, now, delivered;
	local find_obstacle, find_breaker_obstacle, on_start;
	local libraries, loads, load_library; -- loads: name of a library > number of times

	-- options: of the module
	local function load_lookups(options)
		started, given_up, cancelled, logged, now, delivered = {}, {}, {}, {}, 100, {};
		find_obstacle, find_breaker_obstacle, on_start = function () end, function () end, function () end;
		local config = support.load_config(options or {});
		local metric, timer;
		metric, metrics = support.fake_metrics();
		timer, tasks = support.fake_timer();
		local module = {
			environment = {};
			metric = function (module, kind, name, unit, help, labels, settings)
				buckets = settings and settings.buckets or buckets;
				return metric(module, kind, name, unit, help, labels);
			end;
			log = function (_, level, text, ...) table.insert(logged, level..": "..text:format(...)); end;
		};
		late = { started = {}; answers = {}; is_stopped = false };
		loads = {};
		libraries = {
			config = config;
			elements = support.load_library("elements");
			media = support.load_library("media");
			copies = support.load_library("copies");
			guard = support.load_file("mod_muc_media_metadata/guard.lib.lua", {}, { module = module })();
			late = {
				start = function (what)
					table.insert(late.started, what);
					return not late.is_refused and { answer = function (...) table.insert(late.answers, { ... }); end } or nil;
				end;
				stop = function () late.is_stopped = true; end;
				cancel = function () end;
			};
			requests = {
				start = function (sender, target, on_end)
					local lookup = { sender = sender; url = target; answer = on_end; request = { url = target } };
					table.insert(started, lookup);
					on_start(lookup);
					return lookup;
				end;
				give_up = function (...) table.insert(given_up, { ... }); end;
				cancel = function (request) table.insert(cancelled, request.url); end;
				find_obstacle = function (...) return find_obstacle(...); end;
				find_breaker_obstacle = function (...) return find_breaker_obstacle(...); end;
				check_surroundings = function () end;
			};
			scope = {
				wanted_hosts = function () return set("upload.example"); end;
				trusted_hosts = function () return set("upload.example"); end;
			};
		};
		local loader = { load_code_ext = function (_, name, library, extension, environment)
			assert.same({ "muc_media_metadata", "lib.lua" }, { name, extension });
			assert.equal(module.environment, environment);
			loads[library] = (loads[library] or 0) + 1;
			return function (load) load_library = load; return libraries[library]; end;
		end };
		local modules = {
			["core.modulemanager"] = { loader = loader }; ["util.timer"] = timer; ["util.time"] = { monotonic = function () return now; end };
		};
		lookups = support.load_file("mod_muc_media_metadata/lookups.lib.lua", modules, { module = module })();
	end

	before_each(function () load_lookups(); end);

	-- id: of the message; changes: of what enqueue gets, except urls: of the message
	local function enqueue(id, changes) -- > boolean: whether it was put into a queue
		changes = changes or {};
		local stanza = message(table.unpack(changes.urls or { url })):body("x");
		stanza.attr.id = id;
		local sent = {
			stanza = stanza, place = room, member = alice.."/phone", sender = alice, is_annotated = true;
			deliver = function () table.insert(delivered, id); end;
		};
		for name, value in pairs(changes) do sent[name] = value; end
		sent.find_queue = sent.find_queue or function () return lookups.find_queue(sent.place, sent.member); end;
		return lookups.enqueue(sent), stanza;
	end

	-- A delivery that lasts until it is ended, as one for which the archive takes its time.
	local function delayed_delivery(id) -- > function that delivers, function that ends the delivery
		local finish;
		return function ()
			local wait, done = require "util.async".waiter();
			finish = done;
			wait();
			table.insert(delivered, id);
		end, function () finish(); end;
	end

	local function find_queue(member, place) return lookups.find_queue(place or room, member or alice.."/phone"); end

	local function metadata_in(stanza) -- > text, or "" without metadata
		return (tostring(stanza.tags[1]:get_child("metadata", xmlns_metadata) or ""):gsub("</?metadata[^>]*>", ""));
	end

	it("is looked up with one instance of each library", function ()
		assert.equal(libraries.requests, load_library("requests"));
		assert.same({ config = 1, copies = 1, elements = 1, guard = 1, late = 1, media = 1, requests = 1, scope = 1 }, loads);
		for name, value in pairs {
			config = libraries.config, copies = libraries.copies, guarded = libraries.guard.guarded, cancel_late = libraries.late.cancel,
			xmlns_metadata = xmlns_metadata, strip_metadata = libraries.media.strip_metadata,
		} do
			assert.equal(value, lookups[name], name);
		end
	end);

	it("leaves no record of its place after it was delivered", function ()
		local growth = support.memory_growth(3000, function (at)
			enqueue("m1", { place = at.."@rooms.example" });
			started[1].answer(nil, true);
			support.clear(started, given_up, tasks, delivered, metrics.delay, late.started, cancelled);
		end);
		assert.is_true(growth < 200, growth); -- KB; with a record of each more than 400
	end);

	it("is delivered with its metadata when all lookups have ended", function ()
		local is_queued, stanza = enqueue("m1", { urls = { url, other_url } });
		assert.is_true(is_queued);
		assert.same({ { alice, url }, { alice, other_url } }, { { started[1].sender, started[1].url }, { started[2].sender, started[2].url } });
		started[1].answer({ bytes = 5 }, true);
		assert.same({}, delivered);
		started[2].answer(nil, true);
		assert.same({ "m1" }, delivered);
		assert.equal("<bytes>5</bytes>", metadata_in(stanza));
		assert.same({ annotated = 1 }, metrics.messages);
		assert.is_nil(find_queue());
		assert.is_true(tasks[1].is_stopped);
	end);

	it("is counted as unannotated if nothing is known of its media", function ()
		enqueue("m1");
		started[1].answer(nil, true);
		assert.same({ unannotated = 1 }, metrics.messages);
	end);

	it("is delivered without metadata at the timeout, after which its lookups are given up", function ()
		load_lookups({ muc_media_metadata_timeout = 1.5 });
		local _, stanza = enqueue("m1");
		assert.equal(1.5, tasks[1].delay);
		now = 101.5;
		tasks[1].run();
		assert.same({ "m1" }, delivered);
		assert.equal("", metadata_in(stanza));
		assert.same({ { started[1], "late", "no answer within the timeout", false } }, given_up);
		assert.is_false(tasks[1].is_stopped); -- it has run
		assert.same({ { 1.5 }, { unannotated = 1 } }, { metrics.delay, metrics.messages });
		started[1].answer({ bytes = 5 }, true);
		assert.same({ "m1" }, delivered);
	end);

	it("has its delay counted in buckets from 10 ms to 10 s", function ()
		assert.same({ 0.01, 0.03, 0.1, 0.3, 1, 3, 10 }, buckets);
	end);

	it("is delivered at once if its answers arrive at once", function ()
		on_start = function (lookup) lookup.answer({ bytes = 5 }, true); end;
		local is_queued, stanza = enqueue("m1", { urls = { url, other_url } });
		assert.same({ true, { "m1" } }, { is_queued, delivered });
		assert.equal("<bytes>5</bytes>", metadata_in(stanza));
		assert.is_nil(find_queue());
	end);

	it("does not wait without media, or if its media are not to be looked up, unless earlier messages wait", function ()
		for _, changes in ipairs { { urls = {} }, { is_annotated = false } } do
			load_lookups();
			assert.is_false((enqueue("m1", changes)));
			assert.same({}, delivered);
			assert.is_nil(find_queue());
			enqueue("m2");
			assert.is_true((enqueue("m3", changes)));
			assert.same({}, delivered);
			assert.equal(1, #tasks); -- a message without lookups has no timeout
			started[1].answer({ bytes = 5 }, true);
			assert.same({ "m2", "m3" }, delivered);
			assert.same({ annotated = 1 }, metrics.messages);
			assert.equal(2, #metrics.delay);
		end
	end);

	it("waits for earlier messages of its sender in the same place, and for no others", function ()
		enqueue("m1");
		enqueue("m2");
		enqueue("m3", { member = bob.."/phone" });
		enqueue("m4", { place = "other@rooms.example" });
		for at = 4, 2, -1 do started[at].answer({ bytes = at }, true); end
		assert.same({ "m4", "m3" }, delivered);
		assert.is_nil(find_queue(bob.."/phone"));
		assert.is_nil(find_queue(nil, "other@rooms.example"));
		assert.is_table(find_queue());
		started[1].answer({ bytes = 1 }, true);
		assert.same({ "m4", "m3", "m1", "m2" }, delivered);
		assert.is_nil(find_queue());
	end);

	it("shares the queue of another session of its sender", function ()
		enqueue("m1");
		enqueue("m2", { member = alice.."/desktop", find_queue = find_queue });
		local queue = find_queue();
		assert.equal(queue, find_queue(alice.."/desktop"));
		started[2].answer(nil, true);
		assert.same({}, delivered);
		lookups.flush_place(room);
		assert.same({ "m1", "m2" }, delivered);
		assert.same({}, { find_queue(), find_queue(alice.."/desktop") });
		-- The empty queue is flushed once more: this does not touch a new one.
		lookups.flush(queue);
		enqueue("m3");
		lookups.flush(queue);
		assert.is_table(find_queue());
	end);

	it("waits for a delivery that the archive delays, and is delivered once", function ()
		local deliver, end_delivery = delayed_delivery("m1");
		enqueue("m1", { deliver = deliver });
		enqueue("m2");
		started[1].answer(nil, true);
		started[2].answer(nil, true);
		assert.same({}, delivered);
		end_delivery();
		assert.same({ "m1", "m2" }, delivered);
		assert.is_nil(find_queue());
	end);

	it("is lost with an error in the log if its delivery fails, and the next one is delivered", function ()
		enqueue("m1", { deliver = function () error("no room", 0); end });
		enqueue("m2", { urls = { other_url } });
		started[2].answer(nil, true);
		started[1].answer(nil, true);
		assert.same({ "m2" }, delivered);
		assert.equal(1, #logged);
		assert.matches("^warn: Could not deliver a message: .*no room", logged[1]);
		assert.same({ url, other_url }, cancelled);
		assert.is_nil(find_queue());
	end);

	it("is counted as dropped if its sender may no longer speak, and only then", function ()
		enqueue("m1", { deliver = function () return false; end });
		started[1].answer({ bytes = 5 }, true);
		assert.same({ { dropped = 1 }, {} }, { metrics.messages, metrics.delay });
		assert.same({ url }, cancelled);
		enqueue("m2", { deliver = function () return true; end });
		started[2].answer({ bytes = 5 }, true);
		assert.same({ dropped = 1, annotated = 1 }, metrics.messages);
	end);

	it("is not looked up if it has too many URLs, or too many elements with one", function ()
		load_lookups({ muc_media_metadata_max_urls = 2 });
		local function urls(count, distinct)
			local list = {};
			for at = 1, count do list[at] = url..(at % distinct); end
			return list;
		end
		assert.is_true((enqueue("m1", { urls = urls(2, 2) })));
		assert.is_true((enqueue("m2", { urls = urls(8, 2), member = bob })));
		assert.same({}, metrics.messages);
		assert.is_false((enqueue("m3", { urls = urls(3, 3), member = "carol" })));
		assert.is_false((enqueue("m4", { urls = urls(9, 2), member = "carol" })));
		assert.same({ too_many_urls = 2 }, metrics.messages);
		assert.equal(4, #started);
	end);

	it("is not looked up above the limits of the requests, but keeps its place in the queue", function ()
		enqueue("m1");
		local asked;
		find_obstacle = function (...) asked = { ... }; return "breaker_open"; end;
		assert.is_true((enqueue("m2", { urls = { url, other_url } })));
		assert.same({ alice, 2 }, asked);
		assert.same({ { breaker_open = 1 }, 1, {} }, { metrics.messages, #started, delivered });
		started[1].answer(nil, true);
		assert.same({ "m1", "m2" }, delivered);
		assert.is_false((enqueue("m3")));
		assert.same({ breaker_open = 2, unannotated = 1 }, metrics.messages);
	end);

	it("has further lookups only while the circuit breaker allows them", function ()
		find_breaker_obstacle = function (sender) return sender == alice and started[1] and "breaker_open"; end;
		local _, stanza = enqueue("m1", { urls = { url, other_url } });
		assert.equal(1, #started);
		started[1].answer({ bytes = 5 }, true);
		assert.same({ "m1" }, delivered);
		assert.equal("<bytes>5</bytes>", metadata_in(stanza));
	end);

	it("does not wait in a full queue, whose messages are delivered before it", function ()
		load_lookups({ muc_media_metadata_max_queue = 2 });
		enqueue("m1");
		enqueue("m2");
		assert.same({}, delivered);
		assert.is_false((enqueue("m3")));
		assert.same({ "m1", "m2" }, delivered);
		assert.same({ queue_full = 1, unannotated = 2 }, metrics.messages);
		assert.same({ { started[1], "abandoned", nil, false }, { started[2], "abandoned", nil, false } }, given_up);
		assert.is_true(tasks[1].is_stopped and tasks[2].is_stopped);
		assert.is_true((enqueue("m4")));
	end);

	it("joins a full queue without a lookup if a delivery there is delayed", function ()
		load_lookups({ muc_media_metadata_max_queue = 1 });
		local deliver, end_delivery = delayed_delivery("m1");
		enqueue("m1", { deliver = deliver });
		assert.is_true((enqueue("m2")));
		assert.same({ {}, 1 }, { delivered, #started });
		end_delivery();
		assert.same({ "m1", "m2" }, delivered);
		assert.same({ queue_full = 1, unannotated = 1 }, metrics.messages);
	end);

	it("is delivered with the metadata that has arrived when its session ends or the module stops", function ()
		for _, case in ipairs { { "flush_place", false }, { "flush_all", true } } do
			load_lookups();
			local _, first = enqueue("m1", { urls = { url, other_url } });
			local _, second = enqueue("m2", { member = bob });
			enqueue("m3", { place = "other@rooms.example" });
			started[1].answer({ bytes = 5 }, true);
			lookups[case[1]](room);
			assert.same({ "<bytes>5</bytes>", "" }, { metadata_in(first), metadata_in(second) });
			table.sort(delivered);
			assert.same(case[2] and { "m1", "m2", "m3" } or { "m1", "m2" }, delivered);
			assert.equal(case[2], late.is_stopped);
			assert.same({}, { find_queue(), find_queue(bob) });
		end
		lookups.flush_place("empty@rooms.example");
	end);

	it("is delivered after a fault of the lookups, which is logged", function ()
		on_start = function () error("no lookup", 0); end;
		assert.is_true((enqueue("m1")));
		assert.same({ "m1" }, delivered);
		assert.same({ "warn: Could not look up the media of a message: no lookup" }, logged);
		load_lookups();
		enqueue("m1");
		started[1].answer({ bytes = 5 }, true);
		assert.same({}, logged);
	end);

	it("is delivered after a fault of the annotation, which is logged", function ()
		enqueue("m1");
		started[1].answer(true, true);
		assert.same({ "m1" }, delivered);
		assert.same({ unannotated = 1 }, metrics.messages);
		assert.matches("^warn: Could not annotate a message: ", logged[1]);
	end);

	describe("whose metadata is incomplete", function ()
		local copies = { {} };
		local function stored() return { place = room, author = room.."/alice", copies = copies }; end

		-- Delivers a message with two URLs, of which the second one gets no answer in time.
		local function deliver(changes)
			changes = changes or {};
			changes.urls = { url, other_url };
			changes.find_copies = changes.find_copies or stored;
			local _, stanza = enqueue("m1", changes);
			started[1].answer({ bytes = 5 }, changes.is_complete ~= false);
			tasks[1].run();
			return stanza;
		end

		it("is completed later with the missing metadata, and its lookups go on", function ()
			local stanza = deliver();
			assert.equal(1, #late.started);
			local what = late.started[1];
			assert.same({ alice, room, room.."/alice" }, { what.sender, what.place, what.author });
			assert.equal(copies, what.copies);
			assert.equal(stanza, what.stanza);
			assert.equal("metadata", what.added[1].name);
			assert.same({ [url] = { bytes = 5 } }, what.metadata);
			assert.is_nil(what.incomplete[url]);
			assert.is_not_nil(what.incomplete[other_url]);
			assert.same({ started[1], started[2] }, what.lookups);
			assert.same({ { started[1], "late", "no answer within the timeout", true }, { started[2], "late", "no answer within the timeout", true } },
				given_up);
			assert.same({}, cancelled);
			started[2].answer({ bytes = 6 }, false);
			assert.same({ { other_url, { bytes = 6 }, false } }, late.answers);
		end);

		it("is completed later if an answer was partial", function ()
			enqueue("m1", { find_copies = stored });
			started[1].answer({ bytes = 5 }, false);
			assert.is_not_nil(late.started[1].incomplete[url]);
			assert.same({ [url] = { bytes = 5 } }, late.started[1].metadata);
		end);

		it("is completed later also after a fault of its annotation", function ()
			enqueue("m1", { find_copies = stored });
			started[1].answer(true, false);
			assert.same({}, late.started[1].added);
		end);

		it("is not completed later if it is complete, not stored, or if the circuit breaker is open", function ()
			local function is_completed(changes, answer_second)
				changes.urls = { url, other_url };
				enqueue("m1", changes);
				started[1].answer({ bytes = 5 }, true);
				if answer_second then
					started[2].answer(nil, true);
				else
					tasks[1].run();
				end
				assert.same(late.started[1] and {} or { url, other_url }, cancelled);
				return late.started[1] ~= nil;
			end
			assert.is_true(is_completed({ find_copies = stored }));
			load_lookups();
			assert.is_false(is_completed({ find_copies = stored }, true));
			load_lookups();
			assert.is_false(is_completed({}));
			load_lookups();
			assert.is_false(is_completed({ find_copies = function () return { copies = {} }; end }));
			load_lookups({ muc_media_metadata_late = "off" });
			assert.is_false(is_completed({ find_copies = stored }));
			assert.is_false(given_up[1][4]);
			load_lookups();
			find_breaker_obstacle = function () return started[2] and "breaker_open"; end;
			assert.is_false(is_completed({ find_copies = stored }));
		end);

		it("has its lookups cancelled if there is no room for further ones, or after a fault of its storage", function ()
			late.is_refused = true;
			deliver();
			assert.same({ url, other_url }, cancelled);
			load_lookups();
			deliver({ find_copies = function () error("no storage", 0); end });
			assert.same({ "m1" }, delivered);
			assert.same({ url, other_url }, cancelled);
			assert.same({ "warn: Could not wait for late metadata: no storage" }, logged);
		end);
	end);
end);
