-- Waits or asks again for metadata that was not known in time, and completes the stored copies of the message with it: who reads the archive
-- later gets the whole metadata.
--
-- Bounded, because senders choose the URLs: a share of the lookups for each sender, and of the server's time for the changes of archives
-- (one change may read and write a whole archive).

local load_library = ...;

local async = require "util.async";
local timer = require "util.timer";
local monotonic = require "util.time".monotonic;

local config = load_library("config");
local copies = load_library("copies");
local guarded = load_library("guard").guarded;
local oracle = load_library("oracle");
local scope = load_library("scope");

local deadline = 30; -- seconds: the oracle's maximum
local reserve = 1; -- seconds, for its answer to arrive
local pause_factor = 20; -- after a change: it and the next ones take at most a twentieth of the server's time

local measure_late = module:metric("counter", "late", "", "Stored copies of messages whose metadata was late, by outcome", { "outcome" });

local pending = {}; -- set of messages whose metadata is awaited
local in_flight, in_flight_of = 0, {}; -- lookups; bare JID of a sender > number of lookups, if there are any
local is_stopped = false;

local function count_in_flight(sender, change)
	local count = (in_flight_of[sender] or 0) + change;
	in_flight_of[sender] = count > 0 and count or nil;
	in_flight = in_flight + change;
end

-- The changes, one after the other.

local ready = {}; -- array of messages whose copies are to be completed
local is_busy = false;
local start_next;

local function complete_copies(message)
	for _, copy in ipairs(message.copies) do
		local outcome = "changed";
		if pending[message] then
			local trusted_hosts = scope.trusted_hosts();
			outcome = copies.complete_copy(copy, message.mark, message.added, message.metadata, config.output, trusted_hosts);
		end
		measure_late:with_labels(outcome):add(1);
	end
end

-- A runner because archives may be asynchronous.
local runner = async.runner(function (message)
	local started = monotonic();
	guarded("complete an archived message", complete_copies)(message);
	pending[message] = nil;
	local pause = (monotonic() - started) * pause_factor;
	timer.add_task(pause, guarded("complete archived messages", function ()
		is_busy = false;
		start_next();
	end));
end);

function start_next()
	local message = not is_busy and not is_stopped and table.remove(ready, 1);
	if message then
		is_busy = true;
		runner:run(message);
	end
end

-- The lookups.

local function learn(message, url, metadata) -- > true if this is more than the known metadata
	local known = message.metadata[url] or {};
	for name, value in pairs(metadata) do
		if name ~= "is_partial" and known[name] ~= value then
			message.metadata[url] = metadata;
			return true;
		end
	end
	return false;
end

local function end_requests(message)
	for _, request in ipairs(message.requests) do
		oracle.cancel(request); -- nothing happens if it has been answered
	end
	if message.timer then
		timer.stop(message.timer);
		message.timer = nil;
	end
	count_in_flight(message.sender, -message.count);
	message.count = 0;
end

local function forget(message)
	pending[message] = nil; -- complete_copies() checks it
	end_requests(message);
end

-- Waits for the rest of the metadata of a message that was delivered.
--
-- message: {
--   sender: bare JID of the account; limits are counted for it;
--   place: room, or bare JID of the sender; author: JID of the occupant or of the sender: corrections must come from it;
--   stanza; added: array of the elements that were added to it; metadata: URL > metadata;
--   incomplete: set of URLs whose metadata is incomplete; lookups: array of { url, request }, some of them not answered yet;
--   copies: array of copies (copies.lib.lua), with at least one;
-- }
-- Returns nil if nothing is awaited. The lookups that are not answered yet call answer(url, metadata, is_complete).
local function start(message) -- > { answer }, or nil
	local count = 0;
	for _ in pairs(message.incomplete) do
		count = count + 1;
	end
	local is_allowed = in_flight + count <= config.max_inflight and (in_flight_of[message.sender] or 0) + count <= config.max_sender_inflight;
	if is_stopped or not is_allowed then
		return nil;
	end

	local late = {
		sender = message.sender, place = message.place, author = message.author, copies = message.copies;
		ids = copies.ids_of(message.stanza), mark = copies.fingerprint(message.stanza), added = copies.texts_of(message.added);
		metadata = message.metadata, requests = {}, count = count;
	};
	pending[late] = true;
	count_in_flight(late.sender, count);
	local open, has_news = count, false;

	local function finish()
		if not pending[late] or late.is_ready then
			return;
		elseif not has_news then
			measure_late:with_labels("unknown"):add(1);
			forget(late);
			return;
		end
		late.is_ready = true;
		end_requests(late);
		table.insert(ready, late);
		start_next();
	end

	local function answer_finally(url, metadata)
		has_news = metadata and learn(late, url, metadata) or has_news;
		open = open - 1;
		if open == 0 then
			finish();
		end
	end

	local function ask_again(url)
		local function on_answer(metadata)
			answer_finally(url, metadata);
		end
		table.insert(late.requests, oracle.ask(url, scope.fields_for(url), deadline * 1000, on_answer, function () end));
	end

	function late.answer(url, metadata, is_complete)
		if is_complete then
			answer_finally(url, metadata);
			return;
		end
		has_news = metadata and learn(late, url, metadata) or has_news;
		ask_again(url);
	end

	late.timer = timer.add_task(deadline + reserve, guarded("end late lookups", function ()
		late.timer = nil;
		finish();
	end));
	local is_open = {};
	for _, lookup in ipairs(message.lookups) do
		is_open[lookup.url] = not lookup.request.has_ended;
		table.insert(late.requests, lookup.request);
	end
	for url in pairs(message.incomplete) do
		if not is_open[url] then
			ask_again(url);
		end
	end
	return late;
end

-- Leaves a message alone after its author or the room has corrected or retracted it.
local function cancel(place, author, stanza)
	if next(pending) == nil then
		return;
	end
	for _, id in ipairs(copies.changed_ids(stanza)) do
		for message in pairs(pending) do
			if message.place == place and (author == message.author or author == place) and message.ids:contains(id) then
				forget(message);
			end
		end
	end
end

local function stop()
	is_stopped = true;
	for message in pairs(pending) do
		forget(message);
	end
end

return { start = start; cancel = cancel; stop = stop };
