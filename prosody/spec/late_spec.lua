package.path = "prosody/spec/?.lua;"..package.path;
local support = require "library";
local st, message = support.st, support.message;

local describe = support.has_prosody and describe or pending;

local xmlns_metadata = "xmpp:prosody.im/protocol/media-metadata#0";
local url, other_url = "https://upload.example/a.jpg", "https://upload.example/b.jpg";
local alice, bob, carol = "alice@example.net", "bob@example.net", "carol@example.net";
local room = "room@rooms.example";
local some, more = { bytes = 5 }, { bytes = 5, width = 8, height = 4 };

describe("late metadata", function ()
	local late, asked, cancelled, logged, metrics, tasks, now;

	-- options: of the module
	local function load_late(options)
		asked, cancelled, logged, now = {}, {}, {}, 100;
		local config = support.load_config(options or {});
		local metric, timer;
		metric, metrics = support.fake_metrics();
		timer, tasks = support.fake_timer();
		local module = {
			metric = metric;
			log = function (_, level, text, ...) table.insert(logged, level..": "..text:format(...)); end;
		};
		local libraries = {
			config = config;
			copies = support.load_library("copies");
			guard = support.load_file("mod_muc_media_metadata/guard.lib.lua", {}, { module = module })();
			oracle = {
				ask = function (asked_url, fields, deadline, on_answer, on_free)
					local request = { url = asked_url; fields = fields; deadline = deadline; answer = on_answer; free = on_free };
					table.insert(asked, request);
					return request;
				end;
				cancel = function (request) table.insert(cancelled, request); end;
			};
			scope = {
				fields_for = function (asked_url) return { "fields of "..asked_url }; end;
				trusted_hosts = function () return support.set("upload.example"); end;
			};
		};
		local modules = { ["util.timer"] = timer; ["util.time"] = { monotonic = function () return now; end } };
		late = support.load_file("mod_muc_media_metadata/late.lib.lua", modules, { module = module })(function (name) return libraries[name]; end);
	end

	before_each(function () load_late(); end);

	-- Starts the wait for the metadata of a delivered message. changes: of what late.start gets; seconds: that each change of a copy takes
	local function start(changes, seconds) -- > { answer } or nil, array of the widths in the copy after each change of it
		local widths = {};
		local stanza = message(url, other_url);
		stanza.attr.id = "m1";
		local copy = {
			get = function () return stanza; end;
			set = function (stored)
				now = now + (seconds or 0);
				local metadata = stored.tags[1]:get_child("metadata", xmlns_metadata);
				table.insert(widths, metadata and metadata:get_child_text("width") or "none");
				return true;
			end;
		};
		local delivered = {
			sender = alice, place = room, author = room.."/alice", stanza = stanza, added = {}, metadata = {};
			incomplete = { [url] = true }, lookups = {}, copies = { copy };
		};
		for name, value in pairs(changes or {}) do delivered[name] = value; end
		return late.start(delivered), widths;
	end

	local function last_task() return tasks[#tasks]; end

	-- The deadline has not passed, so its task does not run.
	local function end_pause() last_task().run(); end

	it("is asked for again with the oracle's longest deadline, and awaited for a second more", function ()
		start();
		assert.same({ 1, url, 30000 }, { #asked, asked[1].url, asked[1].deadline });
		assert.same({ "fields of "..url }, asked[1].fields);
		assert.is_nil(asked[1].free());
		assert.same({ 1, 31 }, { #tasks, tasks[1].delay });
	end);

	it("completes each stored copy of the message once", function ()
		local _, first = start();
		asked[1].answer(more);
		assert.same({ "8" }, first);
		assert.same({ stored = 1 }, metrics.late);
		assert.is_true(tasks[1].is_stopped);
		end_pause();
		local gone = { get = function () return nil; end };
		local widths = select(2, start());
		asked[2].answer(more);
		end_pause();
		start({ copies = { gone, gone } });
		asked[3].answer(more);
		assert.same({ "8" }, widths);
		assert.same({ stored = 2, changed = 2 }, metrics.late);
	end);

	it("changes nothing if it is no more than the message has, or if there is none", function ()
		for _, answered in ipairs { false, some, { bytes = 5, is_partial = true }, {} } do
			load_late();
			local _, widths = start({ metadata = { [url] = some } });
			asked[1].answer(answered or nil);
			assert.same({}, widths);
			assert.same({ unknown = 1 }, metrics.late);
			assert.is_true(tasks[1].is_stopped);
		end
	end);

	it("changes the message if a value differs", function ()
		local _, widths = start({ metadata = { [url] = { bytes = 5, width = 9, height = 4 } } });
		asked[1].answer(more);
		assert.same({ "8" }, widths);
		assert.same({ stored = 1 }, metrics.late);
	end);

	it("is awaited for all URLs of a message, whose copies then change once", function ()
		local _, widths = start({ incomplete = { [url] = true, [other_url] = true } });
		assert.equal(2, #asked);
		local by_url = { [asked[1].url] = asked[1], [asked[2].url] = asked[2] };
		by_url[url].answer(more);
		assert.same({}, widths);
		by_url[other_url].answer(nil);
		assert.same({ "8" }, widths);
	end);

	it("of one URL is used if there is none of another one", function ()
		local handle, widths = start({ incomplete = { [url] = true, [other_url] = true }, lookups = {
			{ url = url, request = { has_ended = false } }, { url = other_url, request = { has_ended = false } },
		} });
		handle.answer(url, more, true);
		handle.answer(other_url, nil, false);
		asked[1].answer(nil);
		assert.same({ "8" }, widths);
	end);

	it("is taken from the lookup of the message if that has not ended, and asked for again otherwise", function ()
		local request = { has_ended = false };
		local handle, widths = start({ lookups = { { url = url, request = request } } });
		assert.same({}, asked);
		handle.answer(url, more, true);
		assert.same({ "8" }, widths);
		load_late();
		start({ lookups = { { url = url, request = { has_ended = true } } } });
		assert.equal(1, #asked);
	end);

	it("is asked for again after an incomplete answer, whose values are used if there is no better one", function ()
		for _, case in ipairs { { more, { "8" } }, { some, {} }, { false, {} } } do
			load_late();
			local handle, widths = start({ lookups = { { url = url, request = { has_ended = false } } }, metadata = { [url] = some } });
			handle.answer(url, case[1] or nil, false);
			assert.same({ 1, {} }, { #asked, widths });
			asked[1].answer(nil);
			assert.same(case[2], widths);
		end
	end);

	it("that has arrived at the deadline is used, and all lookups are cancelled", function ()
		local request = { has_ended = false };
		local handle, widths = start({ incomplete = { [url] = true, [other_url] = true }, lookups = { { url = url, request = request } } });
		handle.answer(url, more, true);
		tasks[1].run();
		assert.same({ "8" }, widths);
		assert.same({ request, asked[1] }, cancelled);
		assert.is_false(tasks[1].is_stopped); -- it has run
		load_late();
		local _, other_widths = start();
		tasks[1].run();
		assert.same({ {}, { unknown = 1 } }, { other_widths, metrics.late });
		assert.equal(asked[1], cancelled[1]);
	end);

	it("that arrives after the deadline is ignored", function ()
		local _, widths = start();
		tasks[1].run();
		asked[1].answer(more);
		assert.same({ {}, { unknown = 1 } }, { widths, metrics.late });

		start();
		asked[2].answer(more);
		local pause = last_task();
		local handle, widths_of_two = start({ incomplete = { [url] = true, [other_url] = true }, lookups = {
			{ url = url, request = { has_ended = false } }, { url = other_url, request = { has_ended = false } },
		} });
		handle.answer(url, more, true);
		last_task().run(); -- the deadline
		handle.answer(other_url, more, true);
		pause.run();
		end_pause();
		assert.same({ "8" }, widths_of_two);
		assert.same({ unknown = 1, stored = 2 }, metrics.late);
	end);

	it("changes copies one message after the other, and takes at most a twentieth of the time", function ()
		local _, first = start({ sender = alice }, 0.5);
		local _, second = start({ sender = bob });
		asked[1].answer(more);
		local pause = last_task();
		asked[2].answer(more);
		assert.same({ { "8" }, {} }, { first, second });
		assert.equal(10, pause.delay);
		pause.run();
		assert.same({ "8" }, second);
		assert.equal(0, last_task().delay);
	end);

	it("goes on with the next message after an error of the archive, which is logged", function ()
		start({ copies = { { get = function () error("no archive", 0); end } } });
		asked[1].answer(more);
		assert.same({ "warn: Could not complete an archived message: no archive" }, logged);
		end_pause();
		local _, widths = start();
		asked[2].answer(more);
		assert.same({ "8" }, widths);
	end);

	it("is awaited for as many URLs as the options allow, of all senders and of one", function ()
		load_late({ muc_media_metadata_max_inflight = 2, muc_media_metadata_max_urls = 1 }); -- so one sender has 1
		assert.is_table((start({ sender = alice })));
		assert.is_nil((start({ sender = alice })));
		assert.is_table((start({ sender = bob })));
		assert.is_nil((start({ sender = carol })));
		asked[1].answer(nil);
		assert.is_table((start({ sender = carol })));
		assert.is_nil((start({ sender = alice })));
		assert.equal(3, #asked);
	end);

	it("is awaited for a message with several URLs only if there is room for all of them", function ()
		local two = { [url] = true, [other_url] = true };
		load_late({ muc_media_metadata_max_inflight = 4, muc_media_metadata_max_urls = 2 });
		assert.is_table((start({ sender = alice })));
		assert.is_nil((start({ sender = alice, incomplete = two })));
		assert.is_table((start({ sender = bob, incomplete = two })));
		assert.is_nil((start({ sender = carol, incomplete = two })));
		assert.is_table((start({ sender = carol })));
		load_late({ muc_media_metadata_max_inflight = 4, muc_media_metadata_max_urls = 1 });
		assert.is_nil((start({ sender = alice, incomplete = two })));
	end);

	it("of a corrected or retracted message frees its lookups once, and changes nothing", function ()
		load_late({ muc_media_metadata_max_inflight = 2, muc_media_metadata_max_urls = 1 });
		local retraction = st.message():tag("retract", { xmlns = "urn:xmpp:message-retract:1", id = "m1" }):up();
		start({ sender = alice, place = "other@rooms.example" });
		asked[1].answer(more);
		local pause = last_task();
		local _, widths = start({ sender = alice });
		asked[2].answer(more); -- waits for the end of the pause
		late.cancel(room, room.."/alice", retraction);
		pause.run();
		assert.same({ {}, { stored = 1, changed = 1 } }, { widths, metrics.late });
		end_pause();
		local open_lookups = 0;
		for _, sender in ipairs { alice, bob, carol } do
			open_lookups = open_lookups + (start({ sender = sender }) and 1 or 0);
		end
		assert.equal(2, open_lookups);
	end);

	it("is dropped after a correction by the author or a retraction by the room, and only then", function ()
		local function has_news_after(place, author, id) -- > whether the message still gets the metadata
			load_late();
			local _, widths = start();
			late.cancel(place, author, st.message():tag("replace", { xmlns = "urn:xmpp:message-correct:0", id = id }):up());
			if cancelled[1] then
				assert.same({ asked[1], true }, { cancelled[1], tasks[1].is_stopped });
			end
			asked[1].answer(more);
			return widths[1] ~= nil;
		end
		assert.is_false(has_news_after(room, room.."/alice", "m1"));
		assert.is_false(has_news_after(room, room, "m1"));
		assert.is_true(has_news_after(room, room.."/mallory", "m1"));
		assert.is_true(has_news_after(room, room.."/alice", "m2"));
		assert.is_true(has_news_after("other@rooms.example", room.."/alice", "m1"));
		assert.is_true(has_news_after("other@rooms.example", "other@rooms.example", "m1"));
	end);

	it("is not awaited any more when the module stops", function ()
		local _, widths = start();
		late.stop();
		assert.same({ asked[1] }, cancelled);
		assert.is_true(tasks[1].is_stopped);
		asked[1].answer(more);
		assert.same({ {}, {} }, { widths, metrics.late });
		assert.is_nil((start()));
		assert.equal(1, #asked);
	end);

	it("changes no further copy after the module has stopped", function ()
		start();
		asked[1].answer(more);
		local pause = last_task();
		local _, widths = start();
		asked[2].answer(more);
		late.stop();
		pause.run();
		assert.same({ {}, { stored = 1 } }, { widths, metrics.late });
	end);

	it("is forgotten when the copies are complete", function ()
		start();
		asked[1].answer(more);
		local count = #cancelled;
		late.stop();
		assert.equal(count, #cancelled);
	end);

	it("leaves no record of a sender without lookups", function ()
		local growth = support.memory_growth(8000, function (at)
			start({ sender = at.."@example.net" });
			asked[1].answer(nil);
			support.clear(asked, cancelled, tasks);
		end);
		assert.is_true(growth < 200, growth); -- KB; with a record of each more than 500
	end);
end);
