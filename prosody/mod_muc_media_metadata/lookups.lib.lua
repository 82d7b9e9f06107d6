-- Asks media-oracle about the media of a message while the message waits in line, outside of any session.
--
-- Shared by mod_muc_media_metadata and mod_media_metadata. Each module that loads it has its own options (with its name as their
-- prefix), metrics, breaker and lines.

local async = require "util.async";
local http = require "net.http";
local json = require "util.json";
local modulemanager = require "core.modulemanager";
local set = require "util.set";
local timer = require "util.timer";
local monotonic = require "util.time".monotonic;

local function load_library(name) -- module:require would look in the folder of the module that loads this file
	return assert(modulemanager.loader:load_code_ext("muc_media_metadata", name, "lib.lua", module.environment))();
end

local elements = load_library("elements");
local read_reply = load_library("reply").read_reply;

local max_reply_bytes = 16 * 1024; -- a reply that quotes the longest URL, all of it percent-encoded, has 6 KiB and a little
local reserve = 0.2; -- seconds between the oracle's deadline and ours, for its answer to arrive

local function option(name)
	return module.name.."_"..name;
end

local function get_number(name, default, min, max) -- > number
	local value = module:get_option_number(option(name), default) or default;
	return math.max(min, math.min(max, value));
end

local oracle_url = module:get_option_string(option("url"), "http://127.0.0.1:8080/metadata");
local token = module:get_option_string(option("token")); -- nil: the oracle asks for none
local timeout = get_number("timeout", 2, 0.25, 30); -- seconds from the arrival of a message
local max_urls = get_number("max_urls", 4, 1, 64); -- distinct ones in a stanza
local max_elements = 4 * max_urls; -- in a stanza: one URL repeated a thousand times would make a small message a large one
local max_inflight = get_number("max_inflight", 64, 1, 4096); -- lookups at once
local max_queue = get_number("max_queue", 20, 1, 1000); -- messages in one line
local breaker_failures = get_number("breaker_failures", 5, 1, math.huge); -- in a row
local breaker_cooldown = get_number("breaker_cooldown", 30, 0, math.huge); -- seconds
local hosts = module:get_option_set(option("hosts"), {}); -- empty: as the scope says
local scope = module:get_option_string(option("scope"), "all"); -- or "local-uploads"
local outputs = module:get_option_set(option("output"), { "legacy", "file-metadata" });

local unknown_outputs = outputs - set.new({ "legacy", "file-metadata", "sims", "sfs" });
if not unknown_outputs:empty() then
	error(("%s has no %s"):format(option("output"), unknown_outputs)); -- better said at the start than noticed months later
elseif scope ~= "all" and scope ~= "local-uploads" then
	error(("%s is either \"all\" or \"local-uploads\", not %q"):format(option("scope"), scope));
end

local client = http.default.new({});

local measure_lookups = module:metric("counter", "lookups", "", "URLs that the oracle was asked for", { "outcome" });
local measure_messages = module:metric("counter", "messages", "", "Messages that waited, or should have", { "outcome" });
local measure_delay = module:metric("histogram", "delay", "seconds", "Time by which messages were held back", {}, {
	buckets = { 0.01, 0.03, 0.1, 0.3, 1, 3, 10 };
}):with_labels();
local measure_inflight = module:metric("gauge", "inflight", "", "Lookups under way", {}):with_labels();
local measure_breaker = module:metric("gauge", "breaker_open", "", "1 while the oracle is not asked, since it fails", {}):with_labels();

-- Keeps an oracle that is ill from costing every message the whole timeout. After the cooldown one lookup tries it again.
-- A trial may end without a verdict (its message was flushed): the next one may come trial_time later.
local function new_breaker(max_failures, cooldown, trial_time, now) -- > { is_open, allows, ask, succeed, fail > true when that opens it }
	local failures, retry_at = 0, 0;
	return {
		is_open = function ()
			return failures >= max_failures;
		end;
		allows = function ()
			return failures < max_failures or now() >= retry_at;
		end;
		ask = function ()
			retry_at = now() + trial_time;
		end;
		succeed = function ()
			failures = 0;
		end;
		fail = function ()
			failures = failures + 1;
			retry_at = now() + cooldown;
			return failures == max_failures;
		end;
	};
end

-- An error of ours must neither lose a message nor reach those who called: the server's log is not for strangers to fill with errors.
local function guarded(what, handler) -- > handler that never throws
	return function (...)
		local ok, result = pcall(handler, ...);
		if ok then
			return result;
		end
		module:log("warn", "Could not %s: %s", what, result);
	end
end

-- What is looked up.

-- Asked each time: components come and go, and so do their ports.
local function upload_hosts() -- > set of "host:port", and "host" where the port is the scheme's own
	local found = set.new();
	for _, host in pairs(prosody.hosts) do
		local file_share = host.modules and host.modules.http_file_share;
		if file_share then
			local uploads = file_share.module;
			local base_url = uploads:get_option_string("http_file_share_base_url") or uploads:http_url();
			local authority = base_url:lower():match("^https?://([^/?#]+)");
			if authority then
				found:add(authority);
			end
		end
	end
	return found;
end

local function wanted_hosts() -- > set, or nil for all
	if scope == "local-uploads" then
		return upload_hosts() + hosts;
	elseif not hosts:empty() then
		return hosts;
	end
end

-- The oracle.

local breaker = new_breaker(breaker_failures, breaker_cooldown, timeout, monotonic);
local inflight = 0;

local function judge(outcome, reason)
	measure_lookups:with_labels(outcome):add(1);
	if outcome == "ill" or outcome == "late" then
		if breaker.fail() then
			module:log("warn", "The oracle is not asked for %g s after %g failures in a row, the last: %s", breaker_cooldown, breaker_failures, reason);
		end
	elseif outcome ~= "abandoned" then
		if breaker.is_open() then
			module:log("info", "The oracle answers again");
		end
		breaker.succeed();
	end
	measure_breaker:set(breaker.is_open() and 1 or 0);
end

local refusal_logged = false;

local function log_refusal(status) -- once, until an answer is good: it is the operator's to mend, and anybody can repeat it
	if status ~= 401 and status ~= 403 and status ~= 404 or refusal_logged then
		return;
	end
	refusal_logged = true;
	module:log("warn", "The oracle answers with status %d: see %s and %s", status, option("url"), option("token"));
end

local function add_inflight(change)
	inflight = inflight + change;
	measure_inflight:set(inflight);
end

local function free_slot(lookup)
	if lookup.has_slot then
		lookup.has_slot = false;
		add_inflight(-1);
	end
end

local headers = {
	["Accept"] = "application/json";
	["Content-Type"] = "application/json";
	["Authorization"] = token and "Bearer "..token or nil;
	["Host"] = oracle_url:match("^%a+://[^/?#]*@?(%[[^%]]*%][:%d]*)"); -- net.http forgets the brackets of an IPv6 host
};
local oracle_deadline = math.max(50, math.floor((timeout - reserve) * 1000 + 0.5)); -- milliseconds; the oracle takes no less

-- on_end(metadata or nil) is called once, maybe before this returns, and not at all once the lookup was closed.
local function ask_oracle(url, on_end) -- > lookup
	local lookup = { has_slot = true; closed = false };
	add_inflight(1);

	local on_answer = guarded("take an answer of the oracle", function (body, status)
		free_slot(lookup);
		if lookup.closed then
			return;
		end
		lookup.closed = true;
		local metadata, outcome, reason = read_reply(body, status);
		judge(outcome == "unhealthy" and "ill" or outcome, reason);
		if metadata then
			refusal_logged = false;
		else
			log_refusal(status);
		end
		on_end(metadata);
	end);

	local request_options = {
		method = "POST";
		headers = headers;
		body = json.encode({ url = url; deadlineMs = oracle_deadline });
	};
	local ok, request = pcall(client.request, client, oracle_url, request_options, on_answer);
	if not ok then
		on_answer(request, 0);
	elseif request then
		lookup.request = request;
		request.body_size_limit = max_reply_bytes; -- read by the parser when the first bytes come
	end
	return lookup;
end

local function destroy_request(lookup) -- > true when nothing is left of it
	if lookup.has_slot and lookup.request and lookup.request.conn then
		http.destroy_request(lookup.request);
		free_slot(lookup);
	end
	return not lookup.has_slot;
end

local function close_lookup(lookup, outcome, reason)
	if lookup.closed then
		return;
	end
	lookup.closed = true;
	judge(outcome, reason);
	if not destroy_request(lookup) then
		-- Still connecting, which cannot be stopped (net.http has no connection yet): the slot is taken until it can.
		timer.add_task(1, guarded("close a lookup", function ()
			return not destroy_request(lookup) and 1 or nil;
		end));
	end
end

-- The lines. A message is an entry in a line until it is delivered: { stanza, deliver, media, lookups, ready … }.
-- A line is known by a place (a room, a session) and by those who stand in it there (one or more).

local lines = {}; -- place > who > line

local function line_of(place, who) -- > line or nil
	return lines[place] and lines[place][who];
end

local function forget(line)
	local at_place = lines[line.place] or {};
	for who in pairs(line.members) do
		if at_place[who] == line then
			at_place[who] = nil;
		end
	end
	if next(at_place) == nil then
		lines[line.place] = nil;
	end
end

local function deliver(entry)
	local ok, annotated = pcall(elements.add_elements, entry.stanza, entry.media, entry.metadata, outputs);
	if not ok then
		module:log("warn", "Could not annotate a message: %s", annotated);
	end
	local waited = monotonic() - entry.arrived;
	if entry.deliver(entry) == false then
		measure_messages:with_labels("dropped"):add(1);
		return;
	end
	if entry.media[1] then
		measure_messages:with_labels(ok and annotated and "annotated" or "unannotated"):add(1);
	end
	measure_delay:sample(waited);
end

local function advance(line)
	local entry = line.waiting[1];
	if not entry then
		forget(line);
	elseif entry.ready and not line.delivering then
		line.delivering = true;
		line.runner:run(entry);
	end
end

local function new_line(place) -- > line, without members
	local line = { place = place; members = {}; waiting = {}; delivering = false };
	local function delivered()
		table.remove(line.waiting, 1);
		line.delivering = false;
		advance(line);
	end
	-- A runner since archives may be asynchronous; one a line since it is what keeps the order while they are.
	line.runner = async.runner(function (entry)
		deliver(entry);
		delivered();
	end, {
		error = function (_, err)
			module:log("warn", "Could not deliver a message: %s", err);
			delivered();
		end;
	});
	return line;
end

local function join(line, who)
	lines[line.place] = lines[line.place] or {};
	lines[line.place][who] = line;
	line.members[who] = true;
end

local function make_ready(entry, outcome, reason)
	entry.ready = true;
	if entry.timer then
		timer.stop(entry.timer);
		entry.timer = nil;
	end
	for _, lookup in ipairs(entry.lookups) do
		close_lookup(lookup, outcome, reason);
	end
end

local function start_lookups(line, entry, urls)
	local pending = 1; -- this function itself: answers may come while it runs
	local function end_one()
		pending = pending - 1;
		if pending == 0 and not entry.ready then
			make_ready(entry);
			advance(line);
		end
	end
	if urls[1] then
		entry.timer = timer.add_task(timeout, guarded("end a lookup", function ()
			entry.timer = nil;
			make_ready(entry, "late", "no answer in time");
			advance(line);
		end));
	end
	for _, url in ipairs(urls) do
		if breaker.allows() then
			breaker.ask();
			pending = pending + 1;
			table.insert(entry.lookups, ask_oracle(url, function (metadata)
				entry.metadata[url] = metadata;
				end_one();
			end));
		end
	end
	end_one();
end

-- Sends out all that waits in a line, as it is known now.
local function flush(line)
	for _, entry in ipairs(line.waiting) do
		if not entry.ready then
			make_ready(entry, "abandoned");
		end
	end
	advance(line);
end

local function flush_place(place)
	local found = {}; -- several may share a line, and flushing changes what would be iterated
	for _, line in pairs(lines[place] or {}) do
		found[line] = true;
	end
	for line in pairs(found) do
		flush(line);
	end
end

local function flush_all()
	local places = {};
	for place in pairs(lines) do
		table.insert(places, place);
	end
	for _, place in ipairs(places) do
		flush_place(place);
	end
end

local function is_full(line)
	return line ~= nil and #line.waiting >= max_queue;
end

local function find_obstacle(media, urls, line) -- > what keeps the URLs from being looked up, or nil
	if #urls > max_urls or #media > max_elements then
		return "too_many_urls";
	elseif inflight + #urls > max_inflight then
		return "too_many_lookups";
	elseif is_full(line) then
		return "queue_full";
	elseif not breaker.allows() then
		return "breaker_open";
	end
end

-- Puts a message in line, if it has media that are to be looked up or if there are others to wait behind.
--
-- message: {
--   stanza; place; who;
--   looks_up: whether its media are looked up at all;
--   find_line = function () > line or nil;
--   deliver = function (entry) > false where it was dropped;
-- }
-- Returns whether it was taken: then it is ours to deliver, whatever goes wrong. deliver runs in an async.runner.
local function take(message)
	local line = message.find_line();
	local media, urls = {}, {};
	if message.looks_up then
		media, urls = elements.find_media(message.stanza, wanted_hosts());
	end
	if not line and not media[1] then
		return false;
	end

	local obstacle = media[1] and find_obstacle(media, urls, line);
	if obstacle then
		measure_messages:with_labels(obstacle):add(1);
		media, urls = {}, {};
	end
	if is_full(line) then
		flush(line); -- The newcomer may neither wait nor overtake.
		line = message.find_line();
	end
	if not line and not media[1] then
		return false;
	end

	line = line or new_line(message.place);
	join(line, message.who);
	local entry = {
		stanza = message.stanza, deliver = message.deliver;
		arrived = monotonic(), media = media, metadata = {}, lookups = {};
	};
	table.insert(line.waiting, entry);
	local ok, err = pcall(start_lookups, line, entry, urls);
	if not ok then
		module:log("warn", "Could not look up what a message refers to: %s", err);
		flush(line);
	end
	return true;
end

return {
	xmlns_metadata = elements.xmlns_metadata;
	strip_metadata = elements.strip_metadata;
	guarded = guarded;
	line_of = line_of;
	take = take;
	flush = flush;
	flush_place = flush_place;
	flush_all = flush_all;
	new_breaker = new_breaker; -- for the specs
};
