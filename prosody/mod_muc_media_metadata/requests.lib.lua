-- Sends lookups to the oracle, within the limits: at most max_inflight of all senders, of which one sender has a share, and none
-- while a circuit breaker is open.

local load_library = ...;

local timer = require "util.timer";
local monotonic = require "util.time".monotonic;

local config = load_library("config");
local guarded = load_library("guard").guarded;
local new_breaker = load_library("breaker").new_breaker;
local oracle = load_library("oracle");
local scope = load_library("scope");

local reserve = 0.2; -- seconds between the oracle's deadline and the timeout, for its answer to arrive
local oracle_deadline = math.floor((config.timeout - reserve) * 1000 + 0.5); -- milliseconds

local measure_lookups = module:metric("counter", "lookups", "", "Lookups by outcome", { "outcome" });
local measure_inflight = module:metric("gauge", "inflight", "", "Lookups in flight", {}):with_labels();
local measure_breaker = module:metric("gauge", "breaker_open", "", "1 while the circuit breaker of all senders is open", {}):with_labels();

local breaker = new_breaker(config.breaker_failures, config.breaker_cooldown, monotonic);
local inflight = 0;
local inflight_of = {}; -- bare JID of a sender > number of lookups in flight, if there are any

local outcome_labels = { unhealthy = "ill"; unreachable = "ill"; mismatched = "ill" }; -- of the metric, if different from the outcome

-- For the breaker of all senders only: with a line for each sender's own breaker, senders could fill the log.
local function log_open_breaker(reason)
	module:log("warn", "Circuit breaker open: no lookups for %g s, then trials; the last failure: %s", config.breaker_cooldown, reason);
end

-- outcome: "described", "undescribed", "unhealthy", "unreachable", "mismatched", "late", "abandoned"
local function record_outcome(sender, outcome, reason)
	measure_lookups:with_labels(outcome_labels[outcome] or outcome):add(1);
	if outcome == "described" or outcome == "undescribed" then
		if breaker.is_open() then
			module:log("info", "Circuit breaker closed: the oracle is healthy again");
		end
		breaker.record_healthy(sender);
	elseif outcome == "unreachable" and breaker.record_unreachable() then
		log_open_breaker(reason);
	elseif (outcome == "unhealthy" or outcome == "late") and breaker.record_unhealthy(sender) then
		log_open_breaker(reason);
	end
	measure_breaker:set(breaker.is_open() and 1 or 0);
end

local fault_logged = false;

-- Once until the next success: only the operator can fix it, and any sender can repeat it.
local function log_fault(outcome, status)
	if fault_logged then
		return;
	elseif outcome == "mismatched" then
		module:log("warn", "The oracle answered about another URL than the one that it was asked for");
	elseif status == 401 or status == 403 or status == 404 then
		module:log("warn", "The oracle answers with status %d: see %s and %s", status, config.name_of("url"), config.name_of("token"));
	else
		return;
	end
	fault_logged = true;
end

local function add_inflight(sender, change)
	local count = (inflight_of[sender] or 0) + change;
	inflight_of[sender] = count > 0 and count or nil;
	inflight = inflight + change;
	measure_inflight:set(inflight);
end

local function free_slot(lookup)
	if lookup.has_slot then
		lookup.has_slot = false;
		add_inflight(lookup.sender, -1);
	end
end

-- Once, when the module is loaded: what would otherwise show as missing metadata only.
local function check_surroundings()
	oracle.check(config.timeout, function (reason)
		module:log("warn", "The oracle does not answer (%s): messages pass without metadata. See %s", reason, config.name_of("url"));
	end);
	timer.add_task(0, guarded("check the upload hosts", function () -- when all hosts are loaded
		if config.output:contains("sfs") and scope.trusted_hosts():empty() then
			module:log("warn", "The output sfs has no effect: this server has no http_file_share, and %s is empty", config.name_of("hosts"));
		end
	end));
end

-- Calls on_end(metadata or nil, is_complete) once, maybe before this returns, and not at all if the lookup is cancelled. It is not
-- complete if the oracle goes on with the lookup: a later request may get more.
local function start_lookup(sender, url, on_end) -- > lookup: { url, request, is_over }
	local lookup = { sender = sender, url = url; is_over = false, has_slot = true };
	breaker.start_lookup(sender);
	add_inflight(sender, 1);
	lookup.request = oracle.ask(url, scope.fields_for(url), oracle_deadline, function (metadata, outcome, reason, status)
		if not lookup.is_over then
			lookup.is_over = true;
			record_outcome(sender, outcome, reason);
		end
		if metadata then
			fault_logged = false;
		else
			log_fault(outcome, status);
		end
		local is_deadline_exceeded = status == 504;
		on_end(metadata, not is_deadline_exceeded and not (metadata and metadata.is_partial));
	end, function ()
		free_slot(lookup);
	end);
	return lookup;
end

-- Ends the wait for a lookup. A lookup whose answer may be useful later goes on, without a slot; late.lib.lua bounds their number.
local function give_up(lookup, outcome, reason, is_useful_later)
	if lookup.is_over then
		return;
	end
	lookup.is_over = true;
	record_outcome(lookup.sender, outcome, reason);
	if is_useful_later then
		free_slot(lookup);
	else
		oracle.cancel(lookup.request);
	end
end

-- > why no further lookups of a sender start, as an outcome of messages; or nil
local function find_obstacle(sender, count)
	if inflight + count > config.max_inflight then
		return "too_many_lookups";
	elseif (inflight_of[sender] or 0) + count > config.max_sender_inflight then
		return "sender_too_many_lookups";
	end
	return breaker.find_obstacle(sender);
end

return {
	start = start_lookup;
	give_up = give_up;
	cancel = oracle.cancel;
	check_surroundings = check_surroundings;
	find_obstacle = find_obstacle;
	find_breaker_obstacle = breaker.find_obstacle;
};
