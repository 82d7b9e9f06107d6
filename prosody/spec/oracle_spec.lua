package.path = "prosody/spec/?.lua;"..package.path;
local support = require "library";

local describe = support.has_prosody and describe or pending;

local url = "https://upload.example/a.jpg";

describe("the connection to the oracle", function ()
	local oracle, sent, tasks, closed, answers, ended;
	-- Of the next request: an error of net.http, or its answer without a request; or a connection of the pool
	local is_refused, immediate, pooled;

	-- options: of the module
	local function load_oracle(options)
		sent, tasks, closed, answers, ended = {}, {}, {}, {}, 0;
		is_refused, immediate, pooled = false, nil, nil;
		local client = {
			request = function (_, request_url, request_options, on_answer)
				if is_refused then
					error("invalid-url");
				elseif immediate then
					on_answer(immediate, 0);
					return nil;
				end
				local request = { url = request_url; options = request_options; on_answer = on_answer };
				if pooled then
					request.conn, request.parser = pooled.conn, pooled.parser;
				end
				table.insert(sent, request);
				return request;
			end;
		};
		local modules = {
			["net.http"] = { default = { new = function (settings)
				assert.is_true(settings.connection_pooling);
				return client;
			end } };
			["util.timer"] = { add_task = function (delay, task) table.insert(tasks, { delay, task }); end };
		};
		local libraries = {
			config = support.load_config(options or {});
			guard = { guarded = function (_, handler) return handler; end };
			reply = { read_reply = function (body, status) return { body = body }, "read", "status "..status; end };
		};
		oracle = support.load_file("mod_muc_media_metadata/oracle.lib.lua", modules, {})(function (name) return libraries[name]; end);
	end

	before_each(function () load_oracle(); end);

	local function connection()
		local conn = {};
		function conn:close() table.insert(closed, self); end
		return conn;
	end

	local function ask(deadline)
		return oracle.ask(url, { "type" }, deadline or 1800, function (...) table.insert(answers, { ... }); end, function () ended = ended + 1; end);
	end

	-- Answers the last request, as net.http does.
	local function answer(body, status, response)
		local request = sent[#sent];
		request.on_answer(body, status, response or { httpversion = "1.1"; headers = {} });
	end

	it("carries the URL, the fields and the deadline as JSON, with the token", function ()
		load_oracle({ muc_media_metadata_token = ("t"):rep(20); muc_media_metadata_url = "http://[::1]:8080/metadata" });
		ask();
		local options = sent[1].options;
		assert.equal("http://[::1]:8080/metadata", sent[1].url);
		assert.equal("POST", options.method);
		assert.same({ url = url; deadlineMs = 1800; fields = { "type" } }, require "util.json".decode(options.body));
		assert.same({
			["Accept"] = "application/json"; ["Content-Type"] = "application/json";
			["Authorization"] = "Bearer "..("t"):rep(20); ["Host"] = "[::1]:8080";
		}, options.headers);
		assert.equal(16 * 1024, sent[1].body_size_limit);
	end);

	it("has no header for a token that is not set, and none for a host with a name", function ()
		ask();
		assert.is_nil(sent[1].options.headers["Authorization"]);
		assert.is_nil(sent[1].options.headers["Host"]);
	end);

	it("gives the oracle at least 50 ms", function ()
		for _, case in ipairs { { 49, 50 }, { 50, 50 }, { 51, 51 } } do
			ask(case[1]);
			assert.equal(case[2], require "util.json".decode(sent[#sent].options.body).deadlineMs);
		end
	end);

	it("ends a lookup before it reports the answer", function ()
		ask();
		sent[1].conn = connection();
		answer("text", 200);
		assert.equal(1, ended);
		assert.same({ { { body = "text" }, "read", "status 200", 200 } }, answers);
		assert.same({}, closed);
	end);

	it("is closed if another request would read the rest of an answer, or nothing", function ()
		for _, case in ipairs {
			{ true, 0, nil },
			{ true, 200, { httpversion = "1.0"; headers = {} } },
			{ true, 200, { httpversion = "1.1"; headers = { connection = "close" } } },
			{ false, 200, { httpversion = "1.1"; headers = { connection = "Keep-Alive" } } },
			{ false, 404, { httpversion = "1.1"; headers = {} } },
		} do
			load_oracle();
			ask();
			sent[1].conn = connection();
			answer("", case[2], case[3]);
			assert.equal(case[1] and 1 or 0, #closed);
			assert.equal(case[1], sent[1].conn == nil);
			assert.equal(1, #answers);
		end
	end);

	it("is unreachable without a connection, and with a wrong certificate", function ()
		for _, case in ipairs {
			{ nil, "connection failed", "unreachable" },
			{ true, "certificate-chain-invalid", "unreachable" },
			{ true, "timeout", "read" },
		} do
			load_oracle();
			ask();
			sent[1].conn = case[1] and connection() or nil;
			answer(case[2], 0);
			assert.equal(case[3], answers[1][2]);
		end
		load_oracle();
		is_refused = true;
		ask();
		assert.same({ "unreachable", "status 0", 0 }, { answers[1][2], answers[1][3], answers[1][4] });
		assert.equal(1, ended);
	end);

	it("is unreachable if net.http answers at once, without a request", function ()
		immediate = "invalid-url";
		ask();
		assert.same({ { { body = "invalid-url" }, "unreachable", "status 0", 0 } }, answers);
		assert.equal(1, ended);
	end);

	it("is opened again if the oracle closed the idle one, and only then", function ()
		for _, case in ipairs {
			{ requests = 2, status = 0 }; -- not a byte of an answer arrived
			{ requests = 1, status = 0, parser = {} };
			{ requests = 1, status = 503 };
		} do
			load_oracle();
			pooled = { conn = connection(), parser = case.parser };
			ask();
			pooled = nil;
			answer("closed", case.status);
			assert.equal(case.requests, #sent);
			assert.equal(2 - case.requests, #answers);
		end
		load_oracle();
		pooled = { conn = connection() };
		ask();
		pooled = nil;
		answer("closed", 0);
		answer("", 200);
		assert.equal(200, answers[1][4]);
		assert.equal(1, #answers);
	end);

	it("is unreachable if the oracle closed the idle one, and net.http opens no new one", function ()
		pooled = { conn = connection() };
		ask();
		immediate = "connection refused";
		answer("closed", 0);
		assert.same({ 1, "unreachable" }, { #answers, answers[1][2] });
		assert.same({}, closed);
	end);

	it("is closed when its lookup is cancelled, which then gets no answer", function ()
		pooled = { conn = connection() };
		local lookup = ask();
		oracle.cancel(lookup);
		assert.same({ pooled.conn }, closed);
		assert.equal(1, ended);
		assert.same({}, tasks);
		answer("closed", 0);
		assert.same({ {}, 1, 1 }, { answers, ended, #sent });
	end);

	it("is closed as soon as it is there if its lookup was cancelled before", function ()
		local lookup = ask();
		oracle.cancel(lookup);
		assert.same({ {}, 0 }, { closed, ended });
		local delay, task = table.unpack(tasks[1]);
		assert.equal(1, delay);
		assert.equal(1, task()); -- again a second later
		sent[1].conn = connection();
		assert.is_nil(task());
		assert.same({ 1, 1 }, { #closed, ended });
		assert.is_nil(task());
		assert.same({ 1, 1 }, { #closed, ended });
	end);

	it("is not closed for a lookup that is cancelled after its answer", function ()
		local lookup = ask();
		sent[1].conn = connection();
		answer("", 200);
		oracle.cancel(lookup);
		assert.same({ {}, {}, 1 }, { closed, tasks, ended });
	end);

	it("reports to the check at most once why the oracle is not there", function ()
		for _, case in ipairs {
			{ status = 0, reason = "connection refused" };
			{ status = 200 };
			{ status = 400 };
			{ status = 401, reason = "status 401: see muc_media_metadata_token" };
			{ status = 402 };
			{ status = 403, reason = "status 403: see muc_media_metadata_token" };
			{ status = 404 };
			{ status = 499 };
			{ status = 500, reason = "status 500" };
			{ status = 503, reason = "status 503" };
		} do
			load_oracle({ muc_media_metadata_url = "http://oracle.example:8080/base/metadata?a#b" });
			local reasons = {};
			oracle.check(2, function (reason) table.insert(reasons, tostring(reason)); end);
			assert.equal("http://oracle.example:8080/base/version", sent[1].url);
			answer("connection refused", case.status);
			assert.same({ case.reason }, reasons);
			assert.equal(2, tasks[1][1]);
			tasks[1][2]();
			assert.same({ case.reason }, reasons);
		end
	end);

	it("is not closed at the end of a check that got its answer, because another request may use it", function ()
		oracle.check(2, function () end);
		sent[1].conn = connection();
		answer("13.0", 200);
		tasks[1][2]();
		assert.same({}, closed);
	end);

	it("is not opened again for a check that ended without an answer on an idle one", function ()
		local reasons = {};
		pooled = { conn = connection() };
		oracle.check(2, function (reason) table.insert(reasons, reason); end);
		tasks[1][2]();
		assert.same({ pooled.conn }, closed);
		answer("closed", 0);
		assert.same({ { "no answer within 2 s" }, 1 }, { reasons, #sent });
	end);

	it("is reported to the check as missing if there is not even a request", function ()
		local reasons = {};
		is_refused = true;
		oracle.check(2, function (reason) table.insert(reasons, reason); end);
		tasks[1][2]();
		assert.equal(1, #reasons);
		assert.matches("invalid%-url", reasons[1]);
	end);

	it("is closed when the check gets no answer in time", function ()
		local reasons = {};
		oracle.check(2.5, function (reason) table.insert(reasons, reason); end);
		sent[1].conn = connection();
		tasks[1][2]();
		assert.same({ "no answer within 2.5 s" }, reasons);
		assert.equal(1, #closed);
		answer("closed", 0);
		assert.same({ 1, 1 }, { #reasons, #sent });
	end);
end);
