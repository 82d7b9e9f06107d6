package.path = "prosody/spec/?.lua;"..package.path;
local support = require "library";

local blurhash = "LEHV6nWB2yk8pyo0adR*.7kCMdnj";

local describe = support.has_prosody and describe or pending;

describe("the validation of a reply", function ()
	local parse_metadata, read_reply, is_blurhash, png, thumbnail;

	setup(function ()
		local reply = support.load_library("reply");
		parse_metadata, read_reply, is_blurhash = reply.parse_metadata, reply.read_reply, reply.is_blurhash;
		png = support.png;
		thumbnail = png(8, 4);
	end);

	it("returns metadata if every value of the reply is in range or null", function ()
		local null = require "util.json".null;
		assert.same({ bytes = 0, type = "image/png", blurhash = blurhash, width = 1, height = 2^31 - 1 },
			parse_metadata({ bytes = 0, type = "image/png", blurhash = blurhash, width = 1, height = 2^31 - 1 }));
		assert.same({ bytes = 2^53, type = "application/vnd.oasis.opendocument.text" },
			parse_metadata({ bytes = 2^53, type = "application/vnd.oasis.opendocument.text" }));
		assert.same({ type = "text/plain" }, parse_metadata({ bytes = null, type = "text/plain", blurhash = null, width = null, height = null }));
	end);

	it("accepts the values at the ends of their ranges", function ()
		for _, reply in ipairs {
			{ bytes = 0 }, { bytes = 2^53 }, { durationMs = 0 }, { durationMs = 2^31 - 1 }, { type = "a/"..("b"):rep(253) },
			{ filename = ("x"):rep(255) }, { sha256 = ("0aF"):rep(21).."9" },
		} do
			local name, value = next(reply);
			local metadata = parse_metadata(reply);
			assert.equal(value, metadata[({ durationMs = "duration", filename = "name" })[name] or name]);
		end
	end);

	it("says that metadata is partial only if the reply does", function ()
		assert.is_true(parse_metadata({ bytes = 1, partial = true }).is_partial);
		for _, partial in ipairs { false, "true", 1 } do
			assert.is_nil(parse_metadata({ bytes = 1, partial = partial }).is_partial);
		end
	end);

	it("drops a field that is out of range or malformed, and keeps the others", function ()
		for _, wrong in ipairs {
			{ bytes = -1 }, { bytes = 1.5 }, { bytes = "12" }, { bytes = 1/0 }, { bytes = 0/0 }, { bytes = 2^54 }, { bytes = {} }, { bytes = true },
			{ type = "image" }, { type = "image/" }, { type = "/png" }, { type = "Image/PNG" }, { type = "image/png; q=1" },
			{ type = "image/png\n" }, { type = "image/<b>" }, { type = 1 }, { type = "a/"..("b"):rep(254) },
			{ blurhash = "" }, { blurhash = blurhash.."A" }, { blurhash = blurhash:sub(2) }, { blurhash = "<"..blurhash:sub(2) },
			{ blurhash = "é"..blurhash:sub(3) }, { blurhash = ("~"):rep(28) }, { blurhash = 5 }, { blurhash = blurhash:sub(1, -2).."\n" },
		} do
			local reply = { bytes = 1, type = "image/png", blurhash = blurhash, width = 1, height = 1 };
			local expected = parse_metadata(reply);
			for name, value in pairs(wrong) do reply[name], expected[name] = value, nil; end
			assert.same(expected, parse_metadata(reply));
		end
	end);

	it("accepts a thumbhash of up to 25 bytes, the longest that its encoder makes, and drops a longer one", function ()
		local base64 = require "util.encodings".base64;
		for bytes = 5, 25 do
			local thumbhash = base64.encode(("\255"):rep(bytes));
			assert.equal(thumbhash, parse_metadata({ thumbhash = thumbhash }).thumbhash);
		end
		for _, wrong in ipairs {
			base64.encode(("\255"):rep(28)), ("A"):rep(40), ("A"):rep(35), ("A"):rep(33).."===", "", "AAA", "A===", "AA-_", "AAAA\n",
		} do
			assert.is_nil(parse_metadata({ type = "image/png", thumbhash = wrong }).thumbhash);
		end
	end);

	it("drops a thumbnail that is no small PNG, also one that declares more pixels than it can have", function ()
		assert.equal(thumbnail, parse_metadata({ thumbnail = thumbnail }).thumbnail);
		assert.equal(png(1, 8), parse_metadata({ thumbnail = png(1, 8) }).thumbnail);
		for _, wrong in ipairs {
			"", 5, {}, "data:image/png;base64,", "data:image/png;base64,AAAA", "data:image/jpeg"..thumbnail:sub(15), thumbnail.."<", thumbnail:sub(1, -2).."!",
			png(9, 4), png(8, 9), png(8, 0), png(0, 8), png(0x40008, 4), png(4, 2^31),
			"https://a.example/", thumbnail:sub(1, 40), thumbnail..("A"):rep(400),
		} do
			assert.is_nil(parse_metadata({ type = "image/png", thumbnail = wrong }).thumbnail);
		end
	end);

	it("accepts a thumbnail of up to 400 bytes, and drops a longer one", function ()
		assert.equal(png(8, 4, 400), parse_metadata({ thumbnail = png(8, 4, 400) }).thumbnail);
		assert.is_nil(parse_metadata({ type = "image/png", thumbnail = png(8, 4, 401) }).thumbnail);
	end);

	it("drops width and height together, because clients can use neither without the other", function ()
		local null = require "util.json".null;
		for _, side in ipairs { 0, -5, 0.5, 2^31, 2^32 - 1, 2^63, 1/0, 0/0, "1", null, {} } do
			assert.same({ type = "image/qoi" }, parse_metadata({ type = "image/qoi", width = side, height = 1 }));
			assert.same({ type = "image/qoi" }, parse_metadata({ type = "image/qoi", width = 1, height = side }));
		end
		assert.same({ type = "image/qoi" }, parse_metadata({ type = "image/qoi", width = 1 }));
	end);

	it("returns nil for a reply that is no object or has no key of the contract", function ()
		for _, other in ipairs { "metadata", 3, true, {}, { 1, 2, 3 }, { status = "ok" } } do
			assert.is_nil(parse_metadata(other));
		end
		assert.is_nil(parse_metadata(nil));
	end);

	it("accepts a blurhash with any number of components if its length matches that number", function ()
		assert.is_true(is_blurhash("00TI:j")); -- 1x1
		assert.is_true(is_blurhash("|"..("0"):rep(165))); -- 9x9
		assert.is_false(is_blurhash("}"..("0"):rep(165)));
		-- No numbers of components: they would be 1x10 and 2x10.
		assert.is_false(is_blurhash("}"..("0"):rep(23)));
		assert.is_false(is_blurhash("~"..("0"):rep(43)));
		for first, length in pairs { ["8"] = 22, ["9"] = 8, ["%"] = 36, ["."] = 116, ["$"] = 20, ["^"] = 112 } do
			assert.is_true(is_blurhash(first..("0"):rep(length - 1)), first);
			assert.is_false(is_blurhash(first..("0"):rep(length)), first);
			assert.is_false(is_blurhash(first..("0"):rep(5)), first);
		end
	end);

	it("decides by the status and the form of the reply whether the oracle is healthy, not by the values of its fields", function ()
		local url = "https://a.example/x.png";
		local function outcome(body, status)
			return (select(2, read_reply(body, status, url)));
		end
		assert.equal("described", outcome('{"url":"https://a.example/x.png","bytes":1,"type":"image/png","blurhash":null}', 200));
		assert.equal("described", outcome('{"url":"https://a.example/x.png","bytes":-1,"width":4294967295,"height":4294967295}', 200));
		for _, other in ipairs { '"https://a.example/y.png"', '"https://b.example/x.png"', '""', "5", "null", "{}" } do
			local metadata, other_outcome = read_reply('{"url":'..other..',"bytes":1}', 200, url);
			assert.is_nil(metadata);
			assert.equal("mismatched", other_outcome);
		end
		assert.equal("mismatched", outcome('{"bytes":1}', 200));
		for _, status in ipairs { 400, 401, 404, 413, 429, 499, 502, 504 } do
			assert.equal("undescribed", outcome("{}", status));
		end
		for _, status in ipairs { 0, 100, 204, 302, 399, 500, 501, 503, 505 } do
			assert.equal("unhealthy", outcome("{}", status));
		end
		for _, garbage in ipairs { "", "nil", "<html>", "[", "[1,2", "[]", "{}", "3", "null", '"x"', '{"ok":1}', ("["):rep(16000), "\0\255" } do
			assert.equal("unhealthy", outcome(garbage, 200));
		end
	end);

	it("has the reason of an answer that is missing, or that is no metadata of the URL", function ()
		local url = "https://a.example/x.png";
		local function reason(body, status)
			return (select(3, read_reply(body, status, url)));
		end
		assert.equal("connection refused", reason("connection refused", 0));
		assert.equal("nil", reason(nil, 0));
		assert.equal("status 503", reason("connection refused", 503));
		assert.equal("the answer is not metadata", reason("{}", 200));
		assert.equal("the answer is about another URL", reason('{"url":"https://b.example/","bytes":1}', 200));
		assert.is_nil(reason("{}", 404));
	end);
end);
