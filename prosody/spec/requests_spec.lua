package.path = "prosody/spec/?.lua;"..package.path;
local support = require "library";

local describe = support.has_prosody and describe or pending;

local url = "https://upload.example/a.jpg";
local alice, bob = "alice@example.net", "bob@example.net";

describe("the requests to the oracle", function ()
	local requests, asked, cancelled, logged, metrics, tasks, now, check_failed;

	-- options: of the module; trusted: whether the server has an upload host
	local function load_requests(options, is_trusted)
		asked, cancelled, logged, now = {}, {}, {}, 0;
		local config = support.load_config(options or {});
		local metric, timer;
		metric, metrics = support.fake_metrics();
		timer, tasks = support.fake_timer();
		local libraries = {
			config = config;
			guard = { guarded = function (_, handler) return handler; end };
			breaker = support.load_library("breaker");
			oracle = {
				ask = function (...)
					local request = { ... };
					table.insert(asked, request);
					return request;
				end;
				cancel = function (request) table.insert(cancelled, request); end;
				check = function (timeout, on_failure) check_failed = { timeout, on_failure }; end;
			};
			scope = {
				fields_for = function () return { "type" }; end;
				trusted_hosts = function () return is_trusted and support.set("upload.example") or support.set(); end;
			};
		};
		local module = {
			metric = metric;
			log = function (_, level, text, ...) table.insert(logged, level..": "..text:format(...)); end;
		};
		local modules = { ["util.timer"] = timer; ["util.time"] = { monotonic = function () return now; end } };
		requests = support.load_file("mod_muc_media_metadata/requests.lib.lua", modules, { module = module })(function (name) return libraries[name]; end);
	end

	before_each(function () load_requests(); end);

	local function start(sender) -- > lookup, its request, array of the results of its ends
		local ends = {};
		local lookup = requests.start(sender, url, function (metadata, is_complete) table.insert(ends, { metadata or false, is_complete }); end);
		return lookup, asked[#asked], ends;
	end

	-- As oracle.lib.lua does: the slot is free first.
	local function answer(request, ...)
		request[5]();
		request[4](...);
	end

	local function fail(sender, outcome, reason, status)
		local _, request = start(sender);
		answer(request, nil, outcome, reason, status);
	end

	it("have the URL, the fields for it, and a deadline that is 0.2 s shorter than the timeout of a message", function ()
		start(alice);
		assert.same({ url, { "type" }, 1800 }, { asked[1][1], asked[1][2], asked[1][3] });
		load_requests({ muc_media_metadata_timeout = 0.25 });
		start(alice);
		assert.equal(50, asked[1][3]);
		load_requests({ muc_media_metadata_timeout = 1.0005 });
		start(alice);
		assert.equal(801, asked[1][3]);
	end);

	it("report the metadata, and whether a later request may get more", function ()
		for _, case in ipairs {
			{ { { bytes = 1 }, "described", nil, 200 }, { { bytes = 1 }, true } },
			{ { { bytes = 1, is_partial = true }, "described", nil, 200 }, { { bytes = 1, is_partial = true }, false } },
			{ { nil, "undescribed", nil, 404 }, { false, true } },
			{ { nil, "undescribed", nil, 504 }, { false, false } },
			{ { nil, "unhealthy", "status 503", 503 }, { false, true } },
		} do
			local lookup, request, ends = start(alice);
			assert.is_false(lookup.is_over);
			answer(request, table.unpack(case[1], 1, 4));
			assert.is_true(lookup.is_over);
			assert.same({ case[2] }, ends);
		end
	end);

	it("are counted by their outcome, and while they are in flight", function ()
		local _, first = start(alice);
		local _, second = start(bob);
		assert.equal(2, metrics.inflight.all);
		answer(first, { bytes = 1 }, "described", nil, 200);
		assert.equal(1, metrics.inflight.all);
		answer(second, nil, "undescribed", nil, 404);
		for _, outcome in ipairs { "unhealthy", "unreachable", "mismatched" } do fail(alice, outcome, "", 0); end
		assert.equal(0, metrics.inflight.all);
		assert.same({ described = 1, undescribed = 1, ill = 3 }, metrics.lookups);
	end);

	it("release their slot once", function ()
		local _, request = start(alice);
		request[5]();
		request[5]();
		assert.equal(0, metrics.inflight.all);
	end);

	it("are at most as many as the options allow, of all senders and of one", function ()
		load_requests({ muc_media_metadata_max_inflight = 8, muc_media_metadata_max_urls = 3 });
		assert.is_nil(requests.find_obstacle(alice, 3));
		assert.equal("sender_too_many_lookups", requests.find_obstacle(alice, 4));
		for _ = 1, 2 do start(alice); end
		assert.is_nil(requests.find_obstacle(alice, 1));
		assert.equal("sender_too_many_lookups", requests.find_obstacle(alice, 2));
		local _, request = start(alice);
		assert.equal("sender_too_many_lookups", requests.find_obstacle(alice, 1));
		for at = 1, 3 do start(at.."@example.net"); end
		assert.is_nil(requests.find_obstacle(bob, 2));
		assert.equal("too_many_lookups", requests.find_obstacle(bob, 3));
		answer(request, { bytes = 1 }, "described", nil, 200);
		assert.is_nil(requests.find_obstacle(alice, 1));
		assert.is_nil(requests.find_obstacle(bob, 3));
	end);

	it("leave no record of a sender without lookups in flight", function ()
		local growth = support.memory_growth(8000, function (at)
			local _, request = start(at.."@example.net");
			answer(request, { bytes = 1 }, "described", nil, 200);
			asked[1] = nil;
		end);
		assert.is_true(growth < 200, growth); -- KB; with a record of each more than 500
	end);

	it("stop after failures of as many senders as the option says, and the log and the metric show it", function ()
		load_requests({ muc_media_metadata_breaker_failures = 2, muc_media_metadata_breaker_cooldown = 7 });
		fail(alice, "unhealthy", "status 503", 503);
		assert.same({ {}, 0 }, { logged, metrics.breaker_open.all });
		fail(bob, "unhealthy", "status 500", 500);
		assert.same({ "warn: Circuit breaker open: no lookups for 7 s, then trials; the last failure: status 500" }, logged);
		assert.equal(1, metrics.breaker_open.all);
		assert.equal("breaker_open", requests.find_obstacle(alice, 1));
		assert.equal("breaker_open", requests.find_breaker_obstacle(alice));
		now = 7;
		local _, request = start(alice);
		assert.equal("breaker_open", requests.find_obstacle(alice, 1)); -- it has had its trial
		answer(request, nil, "undescribed", nil, 502);
		assert.equal("info: Circuit breaker closed: the oracle is healthy again", logged[2]);
		assert.same({ 2, 0 }, { #logged, metrics.breaker_open.all });
		assert.is_nil(requests.find_obstacle(alice, 1));
	end);

	it("stop after failures without a connection, of any sender", function ()
		load_requests({ muc_media_metadata_breaker_failures = 2 });
		fail(alice, "unreachable", "connection refused", 0);
		assert.same({}, logged);
		fail(alice, "unreachable", "connection refused", 0);
		assert.matches("^warn: Circuit breaker open: .* connection refused$", logged[1]);
	end);

	it("do not stop after answers about another URL or abandoned lookups, which are no failures of the oracle", function ()
		load_requests({ muc_media_metadata_breaker_failures = 1 });
		fail(alice, "mismatched", "", 200);
		requests.give_up((start(bob)), "abandoned", nil, false);
		assert.equal(0, metrics.breaker_open.all);
		assert.equal(1, metrics.lookups.abandoned);
	end);

	it("say nothing of the circuit breaker after a healthy answer if it is closed", function ()
		local _, request = start(alice);
		answer(request, { bytes = 1 }, "described", nil, 200);
		assert.same({}, logged);
	end);

	it("log a fault that only the operator can fix once, until the next success", function ()
		for _, status in ipairs { 401, 403, 404 } do
			load_requests();
			for _ = 1, 2 do fail(alice, "undescribed", nil, status); end
			local warning = "warn: The oracle answers with status "..status..": see muc_media_metadata_url and muc_media_metadata_token";
			assert.same({ warning }, logged);
			local _, request = start(alice);
			answer(request, { bytes = 1 }, "described", nil, 200);
			fail(alice, "undescribed", nil, status);
			assert.same({ warning, warning }, logged);
		end
		load_requests();
		for _, status in ipairs { 400, 402, 405, 429, 502 } do fail(alice, "undescribed", nil, status); end
		assert.same({}, logged);
		fail(alice, "mismatched", "", 200);
		fail(alice, "mismatched", "", 200);
		assert.same({ "warn: The oracle answered about another URL than the one that it was asked for" }, logged);
	end);

	it("are cancelled at the timeout of a message, unless their answer is useful later", function ()
		load_requests({ muc_media_metadata_breaker_failures = 2 });
		local lookup, request = start(alice);
		requests.give_up(lookup, "late", "no answer", false);
		assert.same({ true, { request } }, { lookup.is_over, cancelled });
		assert.equal(1, metrics.inflight.all); -- until its connection is closed
		request[5]();
		assert.equal(0, metrics.inflight.all);

		local useful, later, ends = start(bob);
		requests.give_up(useful, "late", "no answer", true);
		assert.same({ 1, 0 }, { #cancelled, metrics.inflight.all });
		assert.matches("^warn: Circuit breaker open: .* no answer$", logged[1]); -- of two senders
		requests.give_up(useful, "late", "no answer", false);
		assert.same({ 1, 2 }, { #cancelled, metrics.lookups.late });
		answer(later, { bytes = 1 }, "described", nil, 200);
		assert.same({ { { bytes = 1 }, true } }, ends);
		assert.same({ 0, 2 }, { metrics.inflight.all, metrics.lookups.late });
		assert.is_nil(metrics.lookups.described); -- it was counted as late
		requests.cancel(later);
		assert.equal(later, cancelled[2]);
	end);

	it("are preceded by a check of the oracle, whose failure is logged", function ()
		requests.check_surroundings();
		assert.equal(2, check_failed[1]);
		check_failed[2]("connection refused");
		assert.same({ "warn: The oracle does not answer (connection refused): messages pass without metadata. See muc_media_metadata_url" }, logged);
	end);

	it("are preceded by a warning if the output sfs has no upload host", function ()
		local warning = "warn: The output sfs has no effect: this server has no http_file_share, and muc_media_metadata_hosts is empty";
		for _, case in ipairs {
			{ { "legacy", "sfs" }, false, { warning } }, { { "legacy", "sfs" }, true, {} }, { { "legacy" }, false, {} },
		} do
			load_requests({ muc_media_metadata_output = case[1] }, case[2]);
			requests.check_surroundings();
			assert.equal(0, tasks[1].delay);
			tasks[1].run();
			assert.same(case[3], logged);
		end
	end);
end);
