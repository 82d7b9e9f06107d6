-- Asks the oracle about a URL over HTTP, and validates its answer.

local load_library = ...;

local http = require "net.http";
local json = require "util.json";
local timer = require "util.timer";

local config = load_library("config");
local guarded = load_library("guard").guarded;
local read_reply = load_library("reply").read_reply;

local max_reply_bytes = 16 * 1024; -- an answer with the longest URL, which is percent-encoded, has less than 10 KiB
local min_deadline = 50; -- milliseconds: the oracle's minimum

-- Prosody 13 keeps a connection open for the next request: a cached answer then costs one round trip. 0.12 ignores the option.
local client = http.default.new({ connection_pooling = true });

local headers = {
	["Accept"] = "application/json";
	["Content-Type"] = "application/json";
	["Authorization"] = config.token and "Bearer "..config.token or nil;
	["Host"] = config.url:match("^%a+://[^/?#]*@?(%[[^%]]*%][:%d]*)"); -- net.http omits the brackets of an IPv6 host
};

-- Connections.

-- Not http.destroy_request: Prosody 13 would put the busy connection into its pool, and the next request would get this one's answer.
local function close_connection(request)
	local conn = request.conn;
	request.conn = nil; -- for net.http the request is over
	if conn then
		conn:close();
	end
end

-- Prosody 13.0 puts every connection into its pool: also one that the oracle will close, and one whose answer could not be parsed to its
-- end, so that the rest of it would be read as the next answer.
local function is_reusable(status, response) -- > boolean
	return status ~= 0 and response.httpversion == "1.1" and (response.headers.connection or "keep-alive"):lower() == "keep-alive";
end

-- If there was no connection, the request was never sent, so its URL cannot be the cause. The same holds for a certificate, which net.http
-- checks before it sends the request.
local function is_unreachable(request, body) -- > boolean
	return request == nil or request.conn == nil or tostring(body):find("^certificate%-") ~= nil;
end

-- Sends a request. Calls on_end(body, status, is_unreachable) once, maybe before this returns, unless it is closed before. Status 0 is
-- net.http's for "no answer", with the reason as the body.
--
-- An exchange: { request }, its request as soon as there is one
local function send(exchange, url, options, on_end)
	local is_reused = false;
	local on_answer = guarded("read an answer of the oracle", function (body, status, response)
		local request = exchange.request;
		if status == 0 and is_reused and not exchange.is_closed and request.parser == nil then
			-- The oracle closed the idle connection at this moment: a new one is no repetition, as no byte of an answer arrived.
			exchange.request = nil;
			send(exchange, url, options, on_end);
			return;
		end
		local unreachable = status == 0 and is_unreachable(request, body);
		if request and not is_reusable(status, response) then
			close_connection(request);
		end
		on_end(body, status, unreachable);
	end);

	local ok, request = pcall(client.request, client, url, options, on_answer);
	if not ok then
		on_end(request, 0, true);
	elseif request then
		exchange.request = request;
		is_reused = request.conn ~= nil; -- otherwise net.http is still connecting
		request.body_size_limit = max_reply_bytes; -- the parser reads it when the first bytes arrive
	end
end

-- Lookups.

-- Asks about a URL: a lookup, which can be cancelled.
--
-- on_answer(metadata or nil, outcome, reason, status): once, maybe before this returns; not after cancel(). The outcome is that of
-- read_reply, or "unreachable".
-- on_free(): once, when it has ended; after cancel() this may take a second.
local function ask(url, fields, deadline, on_answer, on_free) -- > lookup; deadline: milliseconds
	local lookup = { is_cancelled = false; has_ended = false; exchange = {} };
	local options = {
		method = "POST";
		headers = headers;
		body = json.encode({ url = url; deadlineMs = math.max(min_deadline, deadline); fields = fields });
	};
	function lookup.finish()
		if not lookup.has_ended then
			lookup.has_ended = true;
			on_free();
		end
	end
	send(lookup.exchange, config.url, options, function (body, status, unreachable)
		lookup.finish();
		if lookup.is_cancelled then
			return;
		end
		local metadata, outcome, reason = read_reply(body, status, url);
		on_answer(metadata, unreachable and "unreachable" or outcome, reason, status);
	end);
	return lookup;
end

local function close(lookup) -- > true once its connection is gone
	local request = lookup.exchange.request;
	if not lookup.has_ended and request and request.conn then
		lookup.exchange.is_closed = true;
		close_connection(request);
		lookup.finish();
	end
	return lookup.has_ended;
end

local function cancel(lookup)
	lookup.is_cancelled = true;
	if not close(lookup) then
		-- A connection attempt cannot be cancelled (net.http has no connection yet).
		timer.add_task(1, guarded("close a lookup", function ()
			return not close(lookup) and 1 or nil;
		end));
	end
end

-- Asks for the oracle's version, to see whether it is there. Calls on_failure(reason) at most once.
local function check(timeout, on_failure) -- timeout: seconds
	local exchange = {};
	local is_over = false;
	local function finish(reason)
		if is_over then
			return;
		end
		is_over = true;
		if reason then
			on_failure(reason);
		end
	end
	local version_url = config.url:gsub("[?#].*$", ""):gsub("[^/]*$", "version");
	send(exchange, version_url, { headers = headers }, function (body, status)
		if status == 0 then
			finish(tostring(body));
		elseif status == 401 or status == 403 then
			finish(("status %d: see %s"):format(status, config.name_of("token")));
		elseif status >= 500 then
			finish(("status %d"):format(status));
		end
		finish(nil);
	end);
	timer.add_task(timeout, guarded("check the oracle", function ()
		if not is_over and exchange.request then
			exchange.is_closed = true;
			close_connection(exchange.request);
		end
		finish(("no answer within %g s"):format(timeout));
	end));
end

return { ask = ask; cancel = cancel; check = check };
