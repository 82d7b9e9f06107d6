package.path = "prosody/spec/?.lua;"..package.path;
local support = require "library";

local describe = support.has_prosody and describe or pending;

describe("the options of a module", function ()
	it("reject an unknown output or scope", function ()
		assert.is_table(support.load_config({ muc_media_metadata_output = { "sims" }, muc_media_metadata_scope = "local-uploads" }));
		assert.has_error(function () support.load_config({ muc_media_metadata_output = { "sims", "simms" } }); end);
		assert.has_error(function () support.load_config({ muc_media_metadata_scope = "local" }); end);
	end);
end);
