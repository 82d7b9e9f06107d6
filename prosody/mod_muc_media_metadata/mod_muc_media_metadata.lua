-- Adds what media-oracle knows of a posted media URL (size, type, blurhash, dimensions) to the room message that carries it.
--
-- A message with such a URL is taken out of the room's hands, waits for the oracle outside of any session, and is broadcast
-- later as the room itself would have done. One sender's messages keep their order; nobody else waits.

local async = require "util.async";
local http = require "net.http";
local json = require "util.json";
local st = require "util.stanza";
local timer = require "util.timer";
local monotonic = require "util.time".monotonic;

module:depends("muc");

local xmlns_oob = "jabber:x:oob"; -- XEP-0066
local xmlns_eme = "urn:xmpp:eme:0"; -- XEP-0380
local xmlns_metadata = "xmpp:prosody.im/protocol/media-metadata#0";

local max_url_bytes = 2048; -- as much as the oracle takes
local max_reply_bytes = 16 * 1024; -- a reply that quotes the longest URL, all of it percent-encoded, has 6 KiB and a little
local reserve = 0.2; -- seconds between the oracle's deadline and ours, for its answer to arrive

local function get_number(name, default, min, max) -- > number
	local value = module:get_option_number("muc_media_metadata_"..name, default) or default;
	return math.max(min, math.min(max, value));
end

local oracle_url = module:get_option_string("muc_media_metadata_url", "http://127.0.0.1:8080/metadata");
local token = module:get_option_string("muc_media_metadata_token"); -- nil: the oracle asks for none
local timeout = get_number("timeout", 2, 0.25, 30); -- seconds from the arrival of a message
local max_urls = get_number("max_urls", 4, 1, 64); -- distinct ones in a stanza
local max_elements = 4 * max_urls; -- in a stanza: one URL repeated a thousand times would make a small message a large one
local max_inflight = get_number("max_inflight", 64, 1, 4096); -- lookups at once
local max_queue = get_number("max_queue", 20, 1, 1000); -- messages of one sender in one room
local breaker_failures = get_number("breaker_failures", 5, 1, math.huge); -- in a row
local breaker_cooldown = get_number("breaker_cooldown", 30, 0, math.huge); -- seconds
local hosts = module:get_option_set("muc_media_metadata_hosts", {}); -- empty: all

local client = http.default.new({});

local measure_lookups = module:metric("counter", "lookups", "", "URLs that the oracle was asked for", { "outcome" });
local measure_messages = module:metric("counter", "messages", "", "Messages that waited, or should have", { "outcome" });
local measure_delay = module:metric("histogram", "delay", "seconds", "Time by which messages were held back", {}, {
	buckets = { 0.01, 0.03, 0.1, 0.3, 1, 3, 10 };
}):with_labels();
local measure_inflight = module:metric("gauge", "inflight", "", "Lookups under way", {}):with_labels();
local measure_breaker = module:metric("gauge", "breaker_open", "", "1 while the oracle is not asked, since it fails", {}):with_labels();

-- What is not local in this file is pure, and open to the specs: Prosody gives each module an environment of its own.

local function known(value) -- > value, or nil for JSON's null
	if value ~= json.null then
		return value;
	end
end

local function is_integer(value, min, max)
	return type(value) == "number" and value >= min and value <= max and value % 1 == 0;
end

local token_chars = "[%w!#$%%&'*+.^_`|~-]+"; -- RFC 9110 5.6.2
local type_pattern = "^"..token_chars.."/"..token_chars.."$";

function is_media_type(value) -- > boolean; lower case, no parameters (RFC 9110 8.3.1), as long as RFC 6838 4.2 allows
	return type(value) == "string" and #value <= 127 + 1 + 127 and value:find(type_pattern) ~= nil and not value:find("%u");
end

local base83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

function is_blurhash(value) -- > boolean; the first character tells the number of components, and so the length
	if type(value) ~= "string" or value:find("[^%w#$%%*+,%-.:;=?@%[%]^_{|}~]") then
		return false;
	end
	local components = (base83:find(value:sub(1, 1), 1, true) or 0) - 1;
	if value == "" or components > 80 then
		return false;
	end
	local across, down = components % 9 + 1, math.floor(components / 9) + 1;
	return #value == 4 + 2 * across * down;
end

function is_valid_metadata(reply) -- > boolean; nothing of a reply that is wrong anywhere may enter a stanza
	if type(reply) ~= "table" or reply.type == nil and reply.bytes == nil then
		return false; -- some other JSON: the oracle's has every key, if only with null
	end
	local bytes, width, height = known(reply.bytes), known(reply.width), known(reply.height);
	local media_type, blurhash = known(reply.type), known(reply.blurhash);
	return (bytes == nil or is_integer(bytes, 0, 2^53))
		and (media_type == nil or is_media_type(media_type))
		and (blurhash == nil or is_blurhash(blurhash))
		and (width == nil or is_integer(width, 1, 2^31 - 1))
		and (height == nil or is_integer(height, 1, 2^31 - 1));
end

-- HTTP status 0 is net.http's for "no answer", with the reason as the body.
function read_reply(body, status) -- > metadata or nil, "described" | "undescribed" | "ill", reason
	if status == 200 then
		local ok, reply = pcall(json.decode, body);
		if ok and is_valid_metadata(reply) then
			return reply, "described";
		end
		return nil, "ill", "its answer is not metadata";
	elseif status == 502 or status == 504 or (status >= 400 and status < 500) then
		-- The oracle is well, the origin is not. If this counted, five dead links would switch annotation off for everybody.
		return nil, "undescribed";
	end
	return nil, "ill", status == 0 and tostring(body) or "status "..status;
end

function metadata_to_tag(metadata) -- > stanza, or nil where nothing is known
	local bytes, width, height = known(metadata.bytes), known(metadata.width), known(metadata.height);
	local media_type, blurhash = known(metadata.type), known(metadata.blurhash);
	if not (bytes or blurhash or width or height) and (media_type or "application/octet-stream") == "application/octet-stream" then
		return nil;
	end
	local tag = st.stanza("metadata", { xmlns = xmlns_metadata });
	if bytes then tag:text_tag("bytes", ("%d"):format(bytes)); end
	if media_type then tag:text_tag("type", media_type); end
	if blurhash then tag:text_tag("blurhash", blurhash); end
	if width then tag:text_tag("width", ("%d"):format(width)); end
	if height then tag:text_tag("height", ("%d"):format(height)); end
	return tag;
end

local function is_metadata(child)
	return type(child) == "table" and child.name == "metadata" and child.attr.xmlns == xmlns_metadata;
end

local function without_metadata(list) -- > list, changed in place
	local kept = 0;
	for i = 1, #list do
		local child = list[i];
		list[i] = nil;
		if not is_metadata(child) then
			kept = kept + 1;
			list[kept] = child;
		end
	end
	return list;
end

-- Without recursion and linear in the size of the stanza: it runs on everything that anybody says.
function strip_metadata(stanza) -- > stanza, changed in place, no metadata of ours at any depth
	local elements, n = { stanza }, 1;
	while n > 0 do
		local element = elements[n];
		elements[n], n = nil, n - 1;
		if element:get_child("metadata", xmlns_metadata) then
			without_metadata(element);
			without_metadata(element.tags);
		end
		for _, child in ipairs(element.tags) do
			n = n + 1;
			elements[n] = child;
		end
	end
	return stanza;
end

function host_of(url) -- > lower-case host, and host:port where there is a port; nil for what is no http(s) URL
	local authority = url:match("^[Hh][Tt][Tt][Pp][Ss]?://([^/?#\\]+)");
	if not authority then
		return nil;
	end
	local host_and_port = authority:match("[^@]*$"):lower();
	return (host_and_port:gsub(":%d*$", "")), host_and_port;
end

function is_wanted(url, wanted_hosts) -- > boolean; the oracle judges URLs, here is only what need not be asked
	if #url > max_url_bytes then
		return false;
	end
	-- aesgcm: never: it is end-to-end encrypted media, nobody but its readers is to touch that host.
	local host, host_and_port = host_of(url);
	if not host then
		return false;
	end
	return wanted_hosts:empty() or wanted_hosts:contains(host) or wanted_hosts:contains(host_and_port);
end

function find_media(stanza, wanted_hosts) -- > array of { x = <x/>, url = }, array of distinct URLs
	local media, urls, seen = {}, {}, {};
	if stanza:child_with_name("encrypted") or stanza:child_with_ns(xmlns_eme) then
		return media, urls;
	end
	for x in stanza:childtags("x", xmlns_oob) do
		local url = (x:get_child_text("url", xmlns_oob) or ""):match("^%s*(%S+)%s*$");
		if url and is_wanted(url, wanted_hosts) then
			media[#media + 1] = { x = x; url = url };
			if not seen[url] then
				seen[url] = true;
				urls[#urls + 1] = url;
			end
		end
	end
	return media, urls;
end

-- Keeps an oracle that is ill from costing every message the whole timeout. After the cooldown one lookup tries it again.
-- A trial may end without a verdict (its message was flushed): the next one may come trial_time later.
function new_breaker(max_failures, cooldown, trial_time, now) -- > { is_open, allows, ask, succeed, fail > true when that opens it }
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
	module:log("warn", "The oracle answers with status %d: see muc_media_metadata_url and muc_media_metadata_token", status);
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
		judge(outcome, reason);
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

-- The queue. A message is an entry in its sender's queue until it is delivered: { stanza, from, media, lookups, ready … }.

local queues = {}; -- room JID > real JID > queue. All sessions of an occupant share one, and keep it over a change of nick.

local function find_queue(room, from, occupant) -- > queue or nil
	local by_session = queues[room.jid];
	if not by_session then
		return nil;
	elseif by_session[from] then
		return by_session[from];
	end
	for real_jid in occupant:each_session() do
		if by_session[real_jid] then
			return by_session[real_jid];
		end
	end
end

local function forget(queue)
	local by_session = queues[queue.room_jid] or {};
	for real_jid in pairs(queue.sessions) do
		if by_session[real_jid] == queue then
			by_session[real_jid] = nil;
		end
	end
	if next(by_session) == nil then
		queues[queue.room_jid] = nil;
	end
end

local function annotate(entry) -- > true if anything was added
	local annotated = false;
	for _, medium in ipairs(entry.media) do
		local metadata = entry.metadata[medium.url];
		local tag = metadata and metadata_to_tag(metadata);
		if tag then
			medium.x:add_direct_child(tag);
			annotated = true;
		end
	end
	return annotated;
end

-- The room's own checks, once more: seconds have passed. Rooms ask only for the role, so a "visitor" is what muting makes.
local function find_speaker(room, from) -- > occupant JID; or nil, error type, condition, text
	local occupant = room and room:get_occupant_by_real_jid(from);
	local role = occupant and occupant.role;
	if not role or role == "none" then
		return nil, "cancel", "not-acceptable", "You are not currently connected to this chat";
	elseif role == "visitor" then
		return nil, "auth", "forbidden", "You do not currently have permission to speak in this chat";
	end
	return occupant.nick;
end

-- Rooms and mod_muc itself are looked up each time: idle rooms are swapped to the disk and back, and mod_muc may be reloaded.
local function get_room(jid) -- > room, or nil or false
	local mod_muc = prosody.hosts[module.host].modules.muc;
	return mod_muc and mod_muc.get_room_from_jid(jid);
end

-- What mod_muc does after muc-occupant-groupchat.
local function deliver(queue, entry)
	local stanza, from = entry.stanza, entry.from;
	local room = get_room(queue.room_jid);
	local nick, err_type, condition, text = find_speaker(room, from);
	nick = nick or room and entry.nick;
	if not nick then
		measure_messages:with_labels("dropped"):add(1);
		module:send(st.error_reply(stanza, err_type, condition, text, queue.room_jid));
		return;
	end
	local ok, annotated = pcall(annotate, entry);
	if not ok then
		module:log("warn", "Could not annotate a message: %s", annotated);
	end
	if entry.media[1] then
		measure_messages:with_labels(ok and annotated and "annotated" or "unannotated"):add(1);
	end
	measure_delay:sample(monotonic() - entry.arrived);
	stanza.attr.from = nick;
	room:broadcast_message(stanza);
	stanza.attr.from = from;
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

local function new_queue(room_jid)
	local queue = { room_jid = room_jid; sessions = {}; waiting = {}; delivering = false };
	local function delivered()
		table.remove(queue.waiting, 1);
		queue.delivering = false;
		advance(queue);
	end
	-- A runner since archives may be asynchronous; one a queue since it is what keeps the order while they are.
	queue.runner = async.runner(function (entry)
		deliver(queue, entry);
		delivered();
	end, {
		error = function (_, err)
			module:log("warn", "Could not deliver a message to %s: %s", room_jid, err);
			delivered();
		end;
	});
	return queue;
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

local function start_lookups(queue, entry, urls)
	local pending = 1; -- this function itself: answers may come while it runs
	local function end_one()
		pending = pending - 1;
		if pending == 0 and not entry.ready then
			make_ready(entry);
			advance(queue);
		end
	end
	if urls[1] then
		entry.timer = timer.add_task(timeout, guarded("end a lookup", function ()
			entry.timer = nil;
			make_ready(entry, "late", "no answer in time");
			advance(queue);
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

local function flush(queue)
	for _, entry in ipairs(queue.waiting) do
		if not entry.ready then
			make_ready(entry, "abandoned");
		end
	end
	advance(queue);
end

local function flush_room(room_jid)
	local found = {}; -- sessions may share a queue, and flushing changes what would be iterated
	for _, queue in pairs(queues[room_jid] or {}) do
		found[queue] = true;
	end
	for queue in pairs(found) do
		flush(queue);
	end
end

local function flush_all()
	local room_jids = {};
	for room_jid in pairs(queues) do
		table.insert(room_jids, room_jid);
	end
	for _, room_jid in ipairs(room_jids) do
		flush_room(room_jid);
	end
end

local function flush_session(room_jid, real_jid)
	local queue = queues[room_jid] and queues[room_jid][real_jid];
	if queue then
		flush(queue);
	end
end

local function is_full(queue)
	return queue ~= nil and #queue.waiting >= max_queue;
end

local function find_obstacle(media, urls, queue) -- > what keeps the URLs from being looked up, or nil
	if #urls > max_urls or #media > max_elements then
		return "too_many_urls";
	elseif inflight + #urls > max_inflight then
		return "too_many_lookups";
	elseif is_full(queue) then
		return "queue_full";
	elseif not breaker.allows() then
		return "breaker_open";
	end
end

local function handle_groupchat(event)
	local room, stanza, occupant = event.room, event.stanza, event.occupant;
	local from = stanza.attr.from;
	if not occupant or occupant.nick ~= room:get_occupant_jid(from) then
		return; -- Another module lets somebody speak for another: there is nobody to find again.
	end
	local queue = find_queue(room, from, occupant);
	local media, urls = find_media(stanza, hosts);
	if not queue and not media[1] then
		return;
	end

	local obstacle = media[1] and find_obstacle(media, urls, queue);
	if obstacle then
		measure_messages:with_labels(obstacle):add(1);
		media, urls = {}, {};
	end
	if is_full(queue) then
		flush(queue); -- The newcomer may neither wait nor overtake.
		queue = find_queue(room, from, occupant);
	end
	if not queue and not media[1] then
		return;
	end

	queue = queue or new_queue(room.jid);
	queues[room.jid] = queues[room.jid] or {};
	queues[room.jid][from] = queue;
	queue.sessions[from] = true;
	local entry = { stanza = stanza; from = from; arrived = monotonic(); media = media; metadata = {}; lookups = {} };
	table.insert(queue.waiting, entry);
	event.media_metadata_queue = queue; -- from here on it is ours to deliver, whatever goes wrong
	start_lookups(queue, entry, urls);
	return true;
end

local function on_groupchat(event)
	local ok, result = pcall(handle_groupchat, event);
	if ok then
		return result;
	end
	module:log("warn", "Could not look up what a message refers to: %s", result);
	if event.media_metadata_queue then
		flush(event.media_metadata_queue);
		return true;
	end
end

local function on_any_groupchat(event)
	strip_metadata(event.stanza);
end

-- Fires before the leave is seen by anybody, for lost connections too.
local function on_leave(event)
	local room, real_jid = event.room, event.stanza.attr.from;
	local queue = queues[room.jid] and queues[room.jid][real_jid];
	if not queue then
		return;
	end
	-- With an asynchronous archive some go out after the leave: who may speak is settled now.
	for _, entry in ipairs(queue.waiting) do
		entry.nick = find_speaker(room, entry.from);
	end
	flush(queue);
end

-- Left against their will (whoever leaves has been flushed before): the messages are returned by the check in deliver().
local function on_left(event)
	if event.stanza and event.stanza.attr.type ~= "unavailable" then
		return; -- A change of nick comes by here as well, with the presence that asks for it.
	end
	for real_jid in event.occupant:each_session() do
		flush_session(event.room.jid, real_jid);
	end
end

-- The room takes errors for a lost connection, and removes the occupant without asking any handler.
local function on_error_stanza(event)
	local stanza = event.stanza;
	if stanza.attr.type == "error" then
		flush_session(stanza.attr.to:match("^[^/]+"), stanza.attr.from);
	end
end

local function on_destroy(event)
	flush_room(event.room.jid);
end

function module.unload()
	flush_all();
end

local function hook(name, handler, priority)
	module:hook(name, guarded("handle "..name, handler), priority);
end

hook("muc-occupant-groupchat", on_any_groupchat, 100);
-- After the role check (50), changes of subject and media restrictions (20), limits and occupant ids (0).
hook("muc-occupant-groupchat", on_groupchat, -100);
hook("muc-occupant-pre-leave", on_leave, -100);
hook("muc-occupant-left", on_left);
hook("muc-pre-room-destroy", on_destroy, -100);
hook("presence/full", on_error_stanza); -- before mod_muc's (-2), which may remove the occupant
hook("message/full", on_error_stanza);
hook("message/bare", on_error_stanza);
module:hook_global("server-stopping", guarded("flush", flush_all));
