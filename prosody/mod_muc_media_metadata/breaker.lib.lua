-- Circuit breaker for the oracle: one for all senders, and a small one for each sender.
--
-- Senders are not trusted: they choose the URLs, and some URLs make the oracle time out or answer 503. So there are two rules:
-- * The breaker of all senders opens after failures of max_failures different senders without a healthy answer in between. A failure
--   that no sender can cause (no connection to the oracle) counts each time.
-- * A sender's own breaker opens after max_failures failures in a row of this sender's lookups. It bounds the delay if the oracle
--   hangs and fewer senders than max_failures are active, and it affects no other sender.
--
-- Half-open trials: after the cooldown each sender may try one lookup in each cooldown. A failed trial changes nothing; a healthy
-- answer for any sender closes the breaker of all. So a sender can neither keep it open nor take the trial of another sender.
-- The price: while the oracle hangs, one message of each sender is delayed in each cooldown, instead of one message in total.
--
-- Pure: it gets the clock from its caller.

local cache = require "util.cache";

-- Strangers choose JIDs, so the table of senders is an LRU cache: 1000 records are about 200 kB. A sender whose record was evicted
-- may count twice.
local max_senders = 1000;

local function new_breaker(max_failures, cooldown, now) -- > circuit breaker, closed; cooldown and now() in seconds
	local failures, half_open_at = 0, 0;
	local healthy_answers = 0; -- so far
	local senders = cache.new(max_senders); -- JID > { failures (in a row), next_trial_at, counted_at (value of healthy_answers) }

	local function get_record(sender) -- > record, the most recent one in the cache
		local record = senders:get(sender) or { failures = 0; next_trial_at = 0 };
		senders:set(sender, record);
		return record;
	end

	local function is_open()
		return failures >= max_failures;
	end

	local function is_open_for(sender) -- > boolean: whether the sender's own breaker is open
		local record = senders:get(sender);
		return record ~= nil and record.failures >= max_failures;
	end

	local function count_failure() -- > true if it opens the breaker of all senders
		if is_open() then
			return false;
		end
		failures = failures + 1;
		half_open_at = now() + cooldown;
		return is_open();
	end

	return {
		is_open = is_open;
		find_obstacle = function (sender) -- > nil if a lookup may start; or "breaker_open", "sender_breaker_open"
			local record = senders:get(sender);
			local has_trial = record == nil or now() >= record.next_trial_at;
			if is_open() and (now() < half_open_at or not has_trial) then
				return "breaker_open";
			elseif is_open_for(sender) and not has_trial then
				return "sender_breaker_open";
			end
		end;
		start_lookup = function (sender) -- a lookup through an open breaker is the sender's trial
			if is_open() or is_open_for(sender) then
				get_record(sender).next_trial_at = now() + cooldown;
			end
		end;
		record_healthy = function (sender)
			failures = 0;
			healthy_answers = healthy_answers + 1;
			senders:set(sender, nil);
		end;
		record_unhealthy = function (sender) -- > true if it opens the breaker of all senders
			local record = get_record(sender);
			record.failures = record.failures + 1;
			if record.failures == max_failures then
				record.next_trial_at = now() + cooldown;
			end
			if record.counted_at == healthy_answers then
				return false;
			end
			record.counted_at = healthy_answers;
			return count_failure();
		end;
		record_unreachable = count_failure;
	};
end

return { new_breaker = new_breaker };
