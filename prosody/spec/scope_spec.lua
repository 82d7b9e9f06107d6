package.path = "prosody/spec/?.lua;"..package.path;
local support = require "library";
local set = support.set;

local describe = support.has_prosody and describe or pending;


describe("the scope of lookups", function ()
	-- base_url: option of the upload host, or nil
	local function upload_host(http_url, base_url)
		return { modules = { http_file_share = { module = {
			get_option_string = function (_, name) return name == "http_file_share_base_url" and base_url or nil; end;
			http_url = function () return http_url; end;
		} } } };
	end

	-- options: without the prefix; hosts: of the server
	local function load_scope(options, hosts)
		local prefixed = {};
		for name, value in pairs(options) do prefixed["muc_media_metadata_"..name] = value; end
		local config = support.load_config(prefixed);
		return support.load_file("mod_muc_media_metadata/scope.lib.lua", {}, { prosody = { hosts = hosts or {} } })(function (name)
			return name == "config" and config or support.load_library(name);
		end);
	end

	local hosts = {
		["example.net"] = { modules = {} };
		["unloaded.example.net"] = {};
		["upload.example.net"] = upload_host("https://Upload.example.net:5281/upload");
		["share.example.net"] = upload_host("http://127.0.0.1:5280/", "https://cdn.example.net/files");
		["broken.example.net"] = upload_host("disabled");
	};
	local uploads = support.has_prosody and set("upload.example.net:5281", "cdn.example.net");

	it("has the authorities of the server's upload hosts and the hosts of the option as trusted ones", function ()
		assert.equal(set(), load_scope({}).trusted_hosts());
		assert.equal(uploads, load_scope({}, hosts).trusted_hosts());
		assert.equal(uploads + set("other.example"), load_scope({ hosts = { "other.example" } }, hosts).trusted_hosts());
	end);

	it("is all hosts, those of the option, or the trusted ones", function ()
		assert.is_nil(load_scope({}, hosts).wanted_hosts());
		assert.is_nil(load_scope({ output = { "sfs", "legacy" } }, hosts).wanted_hosts());
		assert.equal(set("other.example"), load_scope({ hosts = { "other.example" } }, hosts).wanted_hosts());
		assert.equal(uploads, load_scope({ scope = "local-uploads" }, hosts).wanted_hosts());
		assert.equal(uploads + set("other.example"),
			load_scope({ scope = "local-uploads", hosts = { "other.example" } }, hosts).wanted_hosts());
		-- Other hosts would get no element of this output.
		assert.equal(uploads, load_scope({ output = { "sfs" } }, hosts).wanted_hosts());
	end);

	it("asks for the hash of the file only on trusted hosts", function ()
		local scope = load_scope({ output = { "legacy", "sfs" } }, hosts);
		local legacy = { "blurhash", "bytes", "height", "type", "width" };
		assert.same(legacy, scope.fields_for("https://elsewhere.example/a.jpg"));
		local trusted = scope.fields_for("https://cdn.example.net/files/a.jpg");
		assert.equal("blurhash bytes durationMs filename height sha256 thumbnail type width", table.concat(trusted, " "));
		assert.same(legacy, load_scope({ output = { "legacy" } }, hosts).fields_for("https://cdn.example.net/files/a.jpg"));
	end);
end);
