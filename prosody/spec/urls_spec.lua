package.path = "prosody/spec/?.lua;"..package.path;
local support = require "library";

describe("the comparison of the answered URL with the one that was asked for", function ()
	local is_same_url = support.load_library("urls").is_same_url;

	it("accepts the normalised form of a URL", function ()
		for asked, answered in pairs {
			["https://A.example/x"] = "https://a.example/x";
			["HTTPS://a.example"] = "https://a.example/";
			["https://a.example:443/a/../b/./c#f"] = "https://a.example/b/c";
			["https://a.example/a/%2e%2E/b"] = "https://a.example/b";
			["https://a.example/../../x"] = "https://a.example/x";
			["https://a.example/a/.."] = "https://a.example/";
			["https://a.example/b/."] = "https://a.example/b/";
			["https://a.example/b/c/.."] = "https://a.example/b/";
			["https://a.example/a//b/"] = "https://a.example/a//b/";
			["https://a.example?x"] = "https://a.example/?x";
			["https://a.example/\u{e9}?q=\u{fc}'"] = "https://a.example/%C3%A9?q=%C3%BC%27";
			["https://b\u{fc}cher.example/x"] = "https://xn--bcher-kva.example/x";
			["https://a.example./x"] = "https://a.example./x";
			["https://a.example\\b\\c"] = "https://a.example/b/c";
			["http://0x08080808/x"] = "http://8.8.8.8/x";
			["http://[2001:DB8::1]/x"] = "http://[2001:db8::1]/x";
		} do
			assert.is_true(is_same_url(asked, answered), asked);
		end
	end);

	it("rejects another host, path or query, and values that are no URL", function ()
		for _, other in ipairs {
			"https://b.example/x/?1", "https://a.example/x?1", "https://a.example/y/?1", "https://a.example/x/?2", "https://a.example/x/",
			"https://evil.example/https://a.example/x/?1", "/x/?1", "", 5, {}, true,
		} do
			assert.is_false(is_same_url("https://a.example/x/?1", other));
		end
		assert.is_false(is_same_url("https://a.example/x/?1", nil));
		assert.is_false(is_same_url("https://a.example/a//b", "https://a.example/a/b"));
	end);

	it("takes linear time for URLs of hostile senders", function ()
		local started = os.clock();
		for _, url in ipairs {
			"https://"..("x."):rep(1000).."/"..("../"):rep(10), "https://"..("-"):rep(2000).."@/", "https://a.b/"..("a/../"):rep(400),
		} do
			for _ = 1, 100 do is_same_url(url, url); end
		end
		assert.is_true(os.clock() - started < 2);
	end);
end);
