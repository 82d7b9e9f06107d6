-- A bug of this module must neither lose a message nor raise an error in its caller: strangers could fill the server's log with errors.
local function guarded(what, handler) -- > handler that never throws
	return function (...)
		local ok, result = pcall(handler, ...);
		if ok then
			return result;
		end
		module:log("warn", "Could not %s: %s", what, result);
	end
end

return { guarded = guarded };
