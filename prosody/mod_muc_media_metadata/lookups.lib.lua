-- Looks up the media of a message at media-oracle while the message waits in its sender's queue, outside of any session.
--
-- Shared by mod_muc_media_metadata and mod_media_metadata. Each module that loads it has its own options (with its name as their
-- prefix), metrics, circuit breaker and queues.
--
-- It fails open, and a sender cannot switch annotation off for other senders: each has a share of the lookups in flight
-- (max_sender_inflight), a queue of their own for each room or session, and at most one vote in the circuit breaker (breaker.lib.lua).

local async = require "util.async";
local modulemanager = require "core.modulemanager";
local timer = require "util.timer";
local monotonic = require "util.time".monotonic;

local loaded = {};
local function load_library(name) -- module:require would look in the folder of the module that loads this file
	if not loaded[name] then
		loaded[name] = assert(modulemanager.loader:load_code_ext("muc_media_metadata", name, "lib.lua", module.environment))(load_library);
	end
	return loaded[name];
end

local config = load_library("config");
local elements = load_library("elements");
local guarded = load_library("guard").guarded;
local late = load_library("late");
local media_library = load_library("media");
local requests = load_library("requests");
local scope = load_library("scope");

local max_elements = 4 * config.max_urls; -- in a stanza: metadata for one URL repeated a thousand times would multiply the size of the message
local measure_messages = module:metric("counter", "messages", "", "Messages with media by outcome", { "outcome" });
local measure_delay = module:metric("histogram", "delay", "seconds", "Delay of messages", {}, {
	buckets = { 0.01, 0.03, 0.1, 0.3, 1, 3, 10 };
}):with_labels();

local function cancel_lookups(entry)
	for _, lookup in ipairs(entry.lookups) do
		requests.cancel(lookup.request);
	end
end

-- The queues. A message is an entry in a queue until it is delivered: { stanza, deliver, media, lookups, ready … }.
-- A queue belongs to one sender at one place (a room, a session); its members are the sender's sessions there, or the recipient.

local queues = {}; -- place > member > queue

local function find_queue(place, member) -- > queue or nil
	return queues[place] and queues[place][member];
end

local function forget(queue)
	local at_place = queues[queue.place] or {};
	for member in pairs(queue.members) do
		if at_place[member] == queue then
			at_place[member] = nil;
		end
	end
	if next(at_place) == nil then
		queues[queue.place] = nil;
	end
end

-- Waits for more metadata of a delivered message, if it is incomplete and copies of the message are stored.
local function start_late(entry, added) -- > what late.start returns, or nil
	if next(entry.incomplete) == nil or not entry.is_stored or requests.find_breaker_obstacle(entry.sender) then
		return nil;
	end
	local stored = entry.message.find_copies(entry);
	return stored.copies[1] and late.start {
		sender = entry.sender, place = stored.place, author = stored.author, copies = stored.copies, stanza = entry.stanza;
		added = added or {}, metadata = entry.metadata, incomplete = entry.incomplete, lookups = entry.lookups;
	};
end

local function deliver(entry)
	local annotate = guarded("annotate a message", function ()
		return elements.add_elements(entry.stanza, entry.media, entry.metadata, config.output, scope.trusted_hosts());
	end);
	local added = entry.media[1] and annotate();
	local waited = monotonic() - entry.arrived;
	if entry.deliver(entry) == false then
		measure_messages:with_labels("dropped"):add(1);
		cancel_lookups(entry);
		return;
	end
	if entry.media[1] then
		measure_messages:with_labels(added and added[1] and "annotated" or "unannotated"):add(1);
	end
	measure_delay:sample(waited);
	entry.late = guarded("wait for late metadata", start_late)(entry, added);
	if not entry.late then
		cancel_lookups(entry);
	end
end

local function advance(queue)
	local entry = queue.waiting[1];
	if not entry then
		forget(queue);
	elseif entry.ready and not queue.delivering then
		queue.delivering = true;
		queue.runner:run(entry);
	end
end

local function new_queue(place) -- > queue, without members
	local queue = { place = place; members = {}; waiting = {}; delivering = false };
	local function on_delivered()
		table.remove(queue.waiting, 1);
		queue.delivering = false;
		advance(queue);
	end
	-- A runner because archives may be asynchronous; one for each queue because it keeps the order while they are.
	queue.runner = async.runner(function (entry)
		deliver(entry);
		on_delivered();
	end, {
		error = function (_, err)
			module:log("warn", "Could not deliver a message: %s", err);
			cancel_lookups(queue.waiting[1]);
			on_delivered();
		end;
	});
	return queue;
end

local function join(queue, member)
	queues[queue.place] = queues[queue.place] or {};
	queues[queue.place][member] = queue;
	queue.members[member] = true;
end

local function make_ready(entry, outcome, reason)
	entry.ready = true;
	if entry.timer then
		timer.stop(entry.timer);
		entry.timer = nil;
	end
	for _, lookup in ipairs(entry.lookups) do
		requests.give_up(lookup, outcome, reason, entry.is_stored);
	end
end

local function start_lookups(queue, entry, urls)
	local pending = 1; -- this function itself: answers may arrive while it runs
	local function end_one()
		pending = pending - 1;
		if pending == 0 and not entry.ready then
			make_ready(entry);
			advance(queue);
		end
	end
	if urls[1] then
		entry.timer = timer.add_task(config.timeout, guarded("end a lookup", function ()
			entry.timer = nil;
			make_ready(entry, "late", "no answer within the timeout");
			advance(queue);
		end));
	end
	for _, url in ipairs(urls) do
		if not requests.find_breaker_obstacle(entry.sender) then -- a half-open trial is one lookup
			pending = pending + 1;
			entry.incomplete[url] = true;
			table.insert(entry.lookups, requests.start(entry.sender, url, function (metadata, is_complete)
				if entry.late then
					entry.late.answer(url, metadata, is_complete);
					return;
				end
				entry.metadata[url] = metadata;
				entry.incomplete[url] = not is_complete or nil;
				end_one();
			end));
		end
	end
	end_one();
end

-- Delivers all messages of a queue now, with the metadata that has arrived.
local function flush(queue)
	for _, entry in ipairs(queue.waiting) do
		if not entry.ready then
			make_ready(entry, "abandoned");
		end
	end
	advance(queue);
end

local function flush_place(place)
	local found = {}; -- several members may share a queue, and flush() changes the table
	for _, queue in pairs(queues[place] or {}) do
		found[queue] = true;
	end
	for queue in pairs(found) do
		flush(queue);
	end
end

-- Delivers everything before the module or the server stops; it learns nothing more.
local function flush_all()
	late.stop();
	local places = {};
	for place in pairs(queues) do
		table.insert(places, place);
	end
	for _, place in ipairs(places) do
		flush_place(place);
	end
end

local function is_full(queue)
	return queue ~= nil and #queue.waiting >= config.max_queue;
end

local function find_obstacle(sender, media, urls, queue) -- > why the URLs are not looked up, as an outcome of messages; or nil
	if #urls > config.max_urls or #media > max_elements then
		return "too_many_urls";
	elseif is_full(queue) then
		return "queue_full";
	end
	return requests.find_obstacle(sender, #urls);
end

-- Puts a message into its sender's queue, if it has media to look up or if earlier messages of the sender wait.
--
-- message: {
--   stanza; place; member;
--   sender: bare JID of the account, which limits are counted for, in all its sessions and rooms;
--   is_annotated: whether its media are looked up;
--   find_queue = function () > queue or nil;
--   deliver = function (entry) > false if it was dropped;
--   find_copies = function (entry) > { place, author, copies } of the delivered message (late.lib.lua), or nil if none are stored;
-- }
-- Returns whether it was put into a queue: then this module delivers it, even after an error. deliver runs in an async.runner.
local function enqueue(message)
	local queue = message.find_queue();
	local media, urls = {}, {};
	if message.is_annotated then
		media, urls = media_library.find_media(message.stanza, scope.wanted_hosts());
	end
	if not queue and not media[1] then
		return false;
	end

	local obstacle = media[1] and find_obstacle(message.sender, media, urls, queue);
	if obstacle then
		measure_messages:with_labels(obstacle):add(1);
		media, urls = {}, {};
	end
	if is_full(queue) then
		flush(queue); -- the new message may neither wait nor overtake
		queue = message.find_queue();
	end
	if not queue and not media[1] then
		return false;
	end

	queue = queue or new_queue(message.place);
	join(queue, message.member);
	local entry = {
		message = message, stanza = message.stanza, sender = message.sender, deliver = message.deliver;
		arrived = monotonic(), media = media, metadata = {}, incomplete = {}, lookups = {};
		is_stored = config.late == "archive" and message.find_copies ~= nil;
	};
	table.insert(queue.waiting, entry);
	local ok, err = pcall(start_lookups, queue, entry, urls);
	if not ok then
		module:log("warn", "Could not look up the media of a message: %s", err);
		flush(queue);
	end
	return true;
end

requests.check_surroundings();

return {
	config = config;
	copies = load_library("copies");
	cancel_late = late.cancel;
	xmlns_metadata = media_library.xmlns_metadata;
	strip_metadata = media_library.strip_metadata;
	guarded = guarded;
	find_queue = find_queue;
	enqueue = enqueue;
	flush = flush;
	flush_place = flush_place;
	flush_all = flush_all;
};
