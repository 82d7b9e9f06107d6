package.path = "prosody/spec/?.lua;"..package.path;
local support = require "library";

local describe = support.has_prosody and describe or pending;

describe("the options of a module", function ()
	local load_config = support.load_config;

	local function is_accepted(name, value)
		return (pcall(load_config, { ["muc_media_metadata_"..name] = value }));
	end

	it("have the documented defaults", function ()
		local config = load_config({});
		for name, default in pairs {
			url = "http://127.0.0.1:8080/metadata", scope = "all", late = "archive", timeout = 2, max_urls = 4, max_inflight = 64, max_queue = 20,
			breaker_failures = 5, breaker_cooldown = 30, private = false, max_sender_inflight = 16,
		} do
			assert.equal(default, config[name], name);
		end
		assert.is_nil(config.token);
		assert.is_true(config.hosts:empty());
		assert.equal(support.set("legacy", "file-metadata", "sims"), config.output);
		assert.is_nil(load_config({}, {}, "media_metadata").private);
	end);

	it("set a number that is out of range to the nearest one in range", function ()
		for name, range in pairs {
			timeout = { 0.25, 30 }, max_urls = { 1, 64 }, max_inflight = { 1, 4096 }, max_queue = { 1, 1000 },
			breaker_failures = { 1, math.huge }, breaker_cooldown = { 0, math.huge },
		} do
			local least, most = table.unpack(range);
			local function value_of(number) return load_config({ ["muc_media_metadata_"..name] = number })[name]; end
			assert.same({ least, least, most, most }, { value_of(least - 1), value_of(least), value_of(most), value_of(most + 1) }, name);
		end
	end);

	it("have the default instead of a value that is no number", function ()
		assert.equal(2, load_config({ muc_media_metadata_timeout = "two" }).timeout);
		assert.equal(64, load_config({ muc_media_metadata_max_inflight = true }).max_inflight);
	end);

	it("give one sender a quarter of the concurrent lookups, but enough for one message, and never more than all", function ()
		local function share(max_inflight, max_urls)
			return load_config({ muc_media_metadata_max_inflight = max_inflight, muc_media_metadata_max_urls = max_urls }).max_sender_inflight;
		end
		assert.equal(25, share(103, 4));
		assert.equal(10, share(16, 10));
		assert.equal(3, share(3, 10));
		assert.equal(1, share(4, 1));
	end);

	it("reject an unknown output, scope or kind of late answers", function ()
		assert.is_true(is_accepted("late", "off"));
		assert.is_false(is_accepted("late", "on"));
		assert.is_table(load_config({ muc_media_metadata_output = { "sims" }, muc_media_metadata_scope = "local-uploads" }));
		assert.is_false(is_accepted("output", { "sims", "simms" }));
		assert.is_false(is_accepted("scope", "local"));
	end);

	it("reject a URL of the oracle without scheme, host or path", function ()
		for _, url in ipairs { "http://127.0.0.1:8080/metadata", "https://oracle.example/a/metadata", "http://[::1]:8080/metadata" } do
			assert.is_true(is_accepted("url", url), url);
		end
		for _, url in ipairs {
			"127.0.0.1:8080/metadata", "http://127.0.0.1:8080", "http://127.0.0.1:8080/", "http:///metadata", "ftp://a.example/metadata", "", "/metadata",
			"http://a.example?x=/metadata", "http://a.example /metadata",
		} do
			assert.is_false(is_accepted("url", url), url);
		end
	end);

	it("reject hosts with a scheme, a path, a user or a wildcard, and ignore the case of hosts", function ()
		for _, host in ipairs { "upload.example", "upload.example:5281", "[2001:db8::1]:80", "[::1]", "127.0.0.1", "b\u{fc}cher.example" } do
			assert.is_true(is_accepted("hosts", { host }), host);
		end
		for _, host in ipairs {
			"https://upload.example", "upload.example/", "*.example", "//upload.example", "u@upload.example", "", "a b", "upload.example:x", "::1",
		} do
			assert.is_false(is_accepted("hosts", { host }), host);
		end
		assert.is_true(load_config({ muc_media_metadata_hosts = { "UPLOAD.example" } }).hosts:contains("upload.example"));
	end);

	it("reject a name with the module's prefix that is no option, on the host or for all hosts, and name all problems", function ()
		assert.is_true(is_accepted("token", "x"));
		assert.is_true(is_accepted("private", true));
		assert.is_true(pcall(load_config, { muc_media_other = 1, media_metadata_url = "x", muc_log_by_default = true }));
		assert.is_false(is_accepted("scop", "local-uploads"));
		assert.is_false(is_accepted("option", "x"));
		assert.is_false(pcall(load_config, {}, { muc_media_metadata_time_out = 1 }));
		assert.is_false(pcall(load_config, { media_metadata_private = true }, {}, "media_metadata"));
		for name, case in pairs {
			late = { "on", "is \"archive\" or \"off\", not \"on\"" }, scope = { "local", "is \"all\" or \"local-uploads\", not \"local\"" };
			output = { { "sims", "simms" }, "has no \"simms\"" };
		} do
			local _, problem = pcall(load_config, { ["muc_media_metadata_"..name] = case[1] });
			assert.equal("Configuration: muc_media_metadata_"..name.." "..case[2], problem); -- without a line of the source
		end
		local _, problems = pcall(load_config, { muc_media_metadata_url = "x", muc_media_metadata_scop = "x", muc_media_metadata_hosts = { "a/b" } });
		assert.matches("^Configuration: muc_media_metadata_hosts has .*; muc_media_metadata_url is .*; there is no option muc_media_metadata_scop$",
			problems);
	end);
end);
