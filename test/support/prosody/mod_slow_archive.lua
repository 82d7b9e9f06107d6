-- Stands in for an asynchronous archive: what passes through a room is held where an archive would store it.

local async = require "util.async";

module:hook("muc-broadcast-message", function ()
	async.sleep(0.1);
end, 10);
