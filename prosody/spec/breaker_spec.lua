package.path = "prosody/spec/?.lua;"..package.path;
local support = require "library";

local describe = support.has_prosody and describe or pending;

describe("the circuit breaker", function ()
	local new_breaker = support.has_prosody and support.load_library("breaker").new_breaker;
	local now, breaker;

	local function allows(sender) return breaker.find_obstacle(sender) == nil; end

	local function fail_each(first, last) -- > whether the last failure opened it
		local has_opened;
		for at = first, last do has_opened = breaker.record_unhealthy("sender"..at.."@example.net"); end
		return has_opened;
	end

	before_each(function ()
		now = 0;
		breaker = new_breaker(3, 30, function () return now; end);
	end);

	it("opens for all senders after failures of different senders without a healthy answer in between", function ()
		assert.is_false(fail_each(1, 2));
		breaker.record_healthy("alice@example.net");
		assert.is_false(fail_each(1, 2));
		assert.is_true(allows("bob@example.net"));
		assert.is_true(fail_each(3, 3));
		assert.is_true(breaker.is_open());
		assert.equal("breaker_open", breaker.find_obstacle("bob@example.net"));
	end);

	it("counts a sender once, however many of its lookups fail", function ()
		for _ = 1, 100 do assert.is_false(breaker.record_unhealthy("mallory@example.net")); end
		assert.is_false(fail_each(1, 1));
		assert.is_false(breaker.is_open());
		assert.is_true(allows("bob@example.net"));
	end);

	it("opens after failures without a connection, which no sender can cause", function ()
		assert.is_false(breaker.record_unreachable());
		assert.is_false(breaker.record_unreachable());
		assert.is_true(breaker.record_unreachable());
		assert.is_true(breaker.is_open());
		breaker.record_healthy("alice@example.net");
		assert.is_true(allows("alice@example.net"));
	end);

	it("opens for one sender after consecutive failures of its lookups, and allows one trial after each cooldown", function ()
		local mallory = "mallory@example.net";
		for _ = 1, 3 do
			assert.is_true(allows(mallory));
			breaker.start_lookup(mallory);
			breaker.record_unhealthy(mallory);
		end
		assert.equal("sender_breaker_open", breaker.find_obstacle(mallory));
		assert.is_true(allows("bob@example.net"));
		breaker.record_healthy("bob@example.net");
		assert.is_false(allows(mallory));
		now = 30;
		assert.is_true(allows(mallory));
		breaker.start_lookup(mallory);
		assert.is_false(allows(mallory));
		breaker.record_unhealthy(mallory);
		now = 59.9;
		assert.is_false(allows(mallory));
		now = 60;
		breaker.start_lookup(mallory);
		breaker.record_healthy(mallory);
		for _ = 1, 2 do breaker.record_unhealthy(mallory); end
		assert.is_true(allows(mallory));
	end);

	it("lets each sender try once in each cooldown, even if the trials of other senders hang or failed", function ()
		fail_each(1, 3);
		now = 29.9;
		assert.is_false(allows("bob@example.net"));
		now = 30;
		for _, mallory in ipairs { "sender1@example.net", "sender2@example.net", "mallory@example.net" } do
			assert.is_true(allows(mallory));
			breaker.start_lookup(mallory);
			assert.is_false(allows(mallory)); -- while it hangs, and also if its message leaves the queue
			breaker.record_unhealthy(mallory);
			assert.is_false(allows(mallory));
		end
		now = 31;
		assert.is_true(allows("bob@example.net"));
		breaker.start_lookup("bob@example.net");
		assert.is_true(breaker.is_open());
		breaker.record_healthy("bob@example.net");
		assert.is_false(breaker.is_open());
		assert.is_true(allows("carol@example.net"));
	end);

	it("closes after a healthy answer for a sender whose failures opened it", function ()
		fail_each(1, 3);
		now = 30;
		breaker.start_lookup("sender1@example.net");
		breaker.record_unhealthy("sender1@example.net");
		now = 60;
		assert.is_true(allows("sender1@example.net"));
		breaker.record_healthy("sender1@example.net");
		assert.is_false(breaker.is_open());
	end);

	it("counts the cooldown of a sender from its last failure before the breaker opened, and from its trial", function ()
		local mallory = "mallory@example.net";
		for _, at in ipairs { 0, 5, 10 } do
			now = at;
			breaker.record_unhealthy(mallory);
		end
		now = 39.9;
		assert.is_false(allows(mallory));
		now = 40;
		assert.is_true(allows(mallory));
		breaker.start_lookup(mallory);
		now = 60;
		breaker.record_unhealthy(mallory); -- the trial of 40 s
		now = 69.9;
		assert.is_false(allows(mallory));
		now = 70;
		assert.is_true(allows(mallory));
	end);

	it("opens once: later failures open nothing, and do not lengthen the cooldown", function ()
		assert.is_true(fail_each(1, 3));
		now = 20;
		assert.is_false(fail_each(4, 4));
		assert.is_false(breaker.record_unreachable());
		now = 30;
		assert.is_true(allows("bob@example.net"));
	end);

	it("opens without an effect if the cooldown is 0 s", function ()
		breaker = new_breaker(3, 0, function () return now; end);
		assert.is_true(fail_each(1, 3));
		for _, sender in ipairs { "sender1@example.net", "bob@example.net" } do
			assert.is_true(allows(sender));
			breaker.start_lookup(sender);
			assert.is_true(allows(sender));
		end
	end);

	it("remembers the last thousand senders", function ()
		for _, others in ipairs { 999, 1000 } do
			breaker = new_breaker(3, 30, function () return now; end);
			for _ = 1, 3 do breaker.record_unhealthy("mallory@example.net"); end
			for at = 1, others do
				breaker.record_unhealthy(at.."@example.net");
				breaker.record_healthy("alice@example.net"); -- or the breaker of all senders would open
			end
			assert.equal(others == 1000, allows("mallory@example.net"));
		end
	end);

	it("remembers a sender with failures, however many others start lookups", function ()
		for _ = 1, 3 do breaker.record_unhealthy("mallory@example.net"); end
		for at = 1, 1000 do breaker.start_lookup(at.."@example.net"); end
		assert.is_false(allows("mallory@example.net"));
	end);

	it("keeps records of a bounded number of senders", function ()
		local unlimited = new_breaker(math.huge, 30, function () return now; end);
		collectgarbage();
		local before = collectgarbage("count");
		for at = 1, 50000 do unlimited.record_unhealthy(at.."@example.net"); end
		collectgarbage();
		assert.is_true(collectgarbage("count") - before < 1000); -- KB; without the bound more than 10 MB
	end);
end);
