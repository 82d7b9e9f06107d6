package.path = "prosody/spec/?.lua;"..package.path;
local support = require "module";
local st = support.st;

local xmlns_metadata = "xmpp:prosody.im/protocol/media-metadata#0";
local blurhash = "LEHV6nWB2yk8pyo0adR*.7kCMdnj";

local function set(...)
	local items = {};
	for _, item in ipairs { ... } do items[item] = true; end
	return {
		empty = function () return next(items) == nil; end;
		contains = function (_, item) return items[item] == true; end;
	};
end

local function oob(url)
	return st.stanza("x", { xmlns = "jabber:x:oob" }):tag("url", { xmlns = "jabber:x:oob" }):text(url):reset();
end

local function message(...)
	local stanza = st.message({ type = "groupchat" });
	for _, url in ipairs { ... } do stanza:add_child(oob(url)); end
	return stanza;
end

local describe = support.has_prosody and describe or pending;

describe("mod_muc_media_metadata", function ()
	local m;

	setup(function ()
		m = support.load_module();
	end);

	describe("a reply", function ()
		it("is metadata when every value is in range or null", function ()
			local null = require "util.json".null;
			assert.is_true(m.is_valid_metadata({ bytes = 0, type = "image/png", blurhash = blurhash, width = 1, height = 2^31 - 1 }));
			assert.is_true(m.is_valid_metadata({ bytes = 2^53, type = "application/vnd.oasis.opendocument.text" }));
			assert.is_true(m.is_valid_metadata({ bytes = null, type = "text/plain", blurhash = null, width = null, height = null }));
		end);

		it("is refused whole for one wrong value", function ()
			for _, wrong in ipairs {
				{ bytes = -1 }, { bytes = 1.5 }, { bytes = "12" }, { bytes = 1/0 }, { bytes = 0/0 }, { bytes = 2^54 }, { bytes = {} }, { bytes = true },
				{ type = "image" }, { type = "image/" }, { type = "/png" }, { type = "Image/PNG" }, { type = "image/png; q=1" },
				{ type = "image/png\n" }, { type = "image/<b>" }, { type = 1 }, { type = "a/"..("b"):rep(254) },
				{ blurhash = "" }, { blurhash = blurhash.."A" }, { blurhash = blurhash:sub(2) }, { blurhash = "<"..blurhash:sub(2) },
				{ blurhash = "é"..blurhash:sub(3) }, { blurhash = ("~"):rep(28) }, { blurhash = 5 }, { blurhash = blurhash:sub(1, -2).."\n" },
				{ width = 0 }, { width = 2^31 }, { width = 0.5 }, { width = "1" }, { height = 0 }, { height = -5 },
			} do
				local reply = { bytes = 1, type = "image/png", blurhash = blurhash, width = 1, height = 1 };
				assert.is_true(m.is_valid_metadata(reply));
				for name, value in pairs(wrong) do reply[name] = value; end
				assert.is_false(m.is_valid_metadata(reply));
			end
			assert.is_false(m.is_valid_metadata("metadata"));
			assert.is_false(m.is_valid_metadata(nil));
			assert.is_false(m.is_valid_metadata({}));
		end);

		it("may have a blurhash of any number of components, as long as its length says the same", function ()
			assert.is_true(m.is_blurhash("00TI:j")); -- 1x1
			assert.is_true(m.is_blurhash("|"..("0"):rep(165))); -- 9x9
			assert.is_false(m.is_blurhash("}"..("0"):rep(165)));
		end);

		it("tells an oracle that is ill from an origin that is", function ()
			local function verdict(body, status)
				return (select(2, m.read_reply(body, status)));
			end
			assert.equal("described", verdict('{"bytes":1,"type":"image/png","blurhash":null}', 200));
			for _, status in ipairs { 400, 401, 404, 413, 429, 502, 504 } do
				assert.equal("undescribed", verdict("{}", status));
			end
			for _, status in ipairs { 0, 100, 204, 302, 500, 503 } do
				assert.equal("ill", verdict("{}", status));
			end
			for _, garbage in ipairs { "", "nil", "<html>", "[", "[1,2", "[]", "{}", "3", "null", '"x"', '{"bytes":-1}', ("["):rep(16000), "\0\255" } do
				assert.equal("ill", verdict(garbage, 200));
			end
		end);
	end);

	describe("the element", function ()
		it("has its children in the order of the contract, and leaves out what is unknown", function ()
			local tag = m.metadata_to_tag({ height = 3, width = 4, blurhash = blurhash, type = "image/png", bytes = 15690 });
			assert.equal("<metadata xmlns='"..xmlns_metadata.."'><bytes>15690</bytes><type>image/png</type><blurhash>"..blurhash
				.."</blurhash><width>4</width><height>3</height></metadata>", tostring(tag));
			assert.equal("<metadata xmlns='"..xmlns_metadata.."'><bytes>5</bytes><type>application/octet-stream</type></metadata>",
				tostring(m.metadata_to_tag({ bytes = 5.0, type = "application/octet-stream" })));
		end);

		it("is not there when nothing is known", function ()
			assert.is_nil(m.metadata_to_tag({}));
			assert.is_nil(m.metadata_to_tag({ bytes = require "util.json".null, type = "application/octet-stream" }));
		end);
	end);

	describe("a sender's own metadata", function ()
		local function forged() return st.stanza("metadata", { xmlns = xmlns_metadata }):text_tag("bytes", "1"); end

		it("is removed wherever it stands, however often, and nothing else is", function ()
			local stanza = message("https://a.example/1", "https://a.example/2"):body("hi");
			local before = tostring(stanza);
			stanza:add_direct_child(forged());
			for _, x in ipairs({ stanza.tags[1], stanza.tags[2] }) do
				table.insert(x, 1, "text");
				x:add_direct_child(forged());
				x:add_direct_child(forged());
				table.remove(x, 1);
			end
			assert.equal(before, tostring(m.strip_metadata(stanza)));
			local kept = st.message():tag("metadata", { xmlns = "urn:xmpp:other" }):up():tag("other", { xmlns = xmlns_metadata }):reset();
			local as_it_was = tostring(kept);
			assert.equal(as_it_was, tostring(m.strip_metadata(kept)));
		end);

		it("is removed from the bottom of a stanza too deep for recursion", function ()
			local stanza = st.message();
			local at = stanza;
			for _ = 1, 100000 do
				local child = st.stanza("a", { xmlns = "urn:x" });
				at:add_direct_child(child);
				at = child;
			end
			at:add_direct_child(forged());
			m.strip_metadata(stanza);
			assert.equal(0, #at.tags);
		end);

		it("costs no more than its size when there is much of it", function ()
			local x = st.stanza("x", { xmlns = xmlns_metadata });
			for _ = 1, 100000 do x:add_direct_child(forged()); end
			local started = os.clock();
			m.strip_metadata(st.message():add_direct_child(x) or x);
			assert.is_true(os.clock() - started < 2);
		end);
	end);

	describe("what is looked up", function ()
		local function wanted(url, ...) return m.is_wanted(url, set(...)); end

		it("is http and https of at most 2048 bytes", function ()
			assert.is_true(wanted("https://a.example/x"));
			assert.is_true(wanted("HTTP://a.example"));
			assert.is_true(wanted("https://a.example/"..("x"):rep(2048 - 18)));
			assert.is_false(wanted("https://a.example/"..("x"):rep(2048 - 17)));
			for _, url in ipairs { "aesgcm://a.example/x#00", "ftp://a.example/", "file:///etc/passwd", "https:a.example", "https://", "//a.example", "" } do
				assert.is_false(wanted(url));
			end
		end);

		it("is on the hosts of the setting, if it names any", function ()
			assert.is_true(wanted("https://UPLOAD.example/x", "upload.example"));
			assert.is_true(wanted("https://upload.example:5281/x", "upload.example"));
			assert.is_true(wanted("https://upload.example:5281/x", "upload.example:5281"));
			assert.is_true(wanted("http://[2001:db8::1]:80/x", "[2001:db8::1]"));
			for _, url in ipairs {
				"https://evil.example/upload.example", "https://upload.example@evil.example/", "https://upload.example.evil.example/",
				"https://evil.example?upload.example", "https://evil.example#@upload.example", "https://evil.example\\@upload.example/",
				"https://sub.upload.example/",
			} do
				assert.is_false(wanted(url, "upload.example"));
			end
		end);

		it("is each URL once, with every element that carries it", function ()
			local media, urls = m.find_media(message("https://a.example/1", " https://a.example/2\n", "https://a.example/1", "https://a b/", ""), set());
			assert.same({ "https://a.example/1", "https://a.example/2" }, urls);
			assert.equal(3, #media);
		end);

		it("is nothing of an encrypted message", function ()
			for _, marker in ipairs {
				st.stanza("encrypted", { xmlns = "eu.siacs.conversations.axolotl" }),
				st.stanza("encrypted", { xmlns = "urn:xmpp:omemo:2" }),
				st.stanza("encryption", { xmlns = "urn:xmpp:eme:0", namespace = "urn:x" }),
			} do
				local media, urls = m.find_media(message("https://a.example/1"):add_child(marker), set());
				assert.same({ 0, 0 }, { #media, #urls });
			end
		end);
	end);

	describe("the breaker", function ()
		it("opens after failures in a row, lets one try after the cooldown, and closes on success", function ()
			local now = 0;
			local breaker = m.new_breaker(3, 30, 2, function () return now; end);
			assert.is_falsy(breaker.fail());
			assert.is_falsy(breaker.fail());
			breaker.succeed();
			assert.is_falsy(breaker.fail());
			assert.is_falsy(breaker.fail());
			assert.is_true(breaker.allows());
			assert.is_true(breaker.fail());
			assert.is_true(breaker.is_open());
			now = 29.9;
			assert.is_false(breaker.allows());
			now = 30;
			assert.is_true(breaker.allows());
			breaker.ask();
			assert.is_false(breaker.allows());
			breaker.fail();
			now = 59;
			assert.is_false(breaker.allows());
			now = 60;
			breaker.ask();
			breaker.succeed();
			assert.is_false(breaker.is_open());
			assert.is_true(breaker.allows());
		end);

		it("lets another try when one ended without a verdict", function ()
			local now = 0;
			local breaker = m.new_breaker(1, 30, 2, function () return now; end);
			breaker.fail();
			now = 30;
			breaker.ask();
			now = 32;
			assert.is_true(breaker.allows());
		end);
	end);
end);
