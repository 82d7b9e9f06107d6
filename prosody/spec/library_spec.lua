package.path = "prosody/spec/?.lua;"..package.path;
local support = require "library";
local st = support.st;

local xmlns_metadata = "xmpp:prosody.im/protocol/media-metadata#0";
local blurhash = "LEHV6nWB2yk8pyo0adR*.7kCMdnj";

local function set(...) return require "util.set".new({ ... }); end

local function oob(url)
	return st.stanza("x", { xmlns = "jabber:x:oob" }):tag("url", { xmlns = "jabber:x:oob" }):text(url):reset();
end

local function message(...)
	local stanza = st.message({ type = "groupchat" });
	for _, url in ipairs { ... } do stanza:add_child(oob(url)); end
	return stanza;
end

local describe = support.has_prosody and describe or pending;

describe("the shared library of the Prosody modules", function ()
	local m, media_library, parse_metadata, read_reply, is_blurhash, new_breaker;

	setup(function ()
		m = support.load_library("elements");
		media_library = support.load_library("media");
		local reply = support.load_library("reply");
		parse_metadata, read_reply, is_blurhash = reply.parse_metadata, reply.read_reply, reply.is_blurhash;
		new_breaker = support.load_library("breaker").new_breaker;
	end);

	describe("the validation of a reply", function ()
		it("returns metadata if every value of the reply is in range or null", function ()
			local null = require "util.json".null;
			assert.same({ bytes = 0, type = "image/png", blurhash = blurhash, width = 1, height = 2^31 - 1 },
				parse_metadata({ bytes = 0, type = "image/png", blurhash = blurhash, width = 1, height = 2^31 - 1 }));
			assert.same({ bytes = 2^53, type = "application/vnd.oasis.opendocument.text" },
				parse_metadata({ bytes = 2^53, type = "application/vnd.oasis.opendocument.text" }));
			assert.same({ type = "text/plain" }, parse_metadata({ bytes = null, type = "text/plain", blurhash = null, width = null, height = null }));
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
		end);

		it("decides by the status and the form of the reply whether the oracle is healthy, not by the values of its fields", function ()
			local function outcome(body, status)
				return (select(2, read_reply(body, status)));
			end
			assert.equal("described", outcome('{"bytes":1,"type":"image/png","blurhash":null}', 200));
			assert.equal("described", outcome('{"bytes":-1,"width":4294967295,"height":4294967295}', 200));
			for _, status in ipairs { 400, 401, 404, 413, 429, 502, 504 } do
				assert.equal("undescribed", outcome("{}", status));
			end
			for _, status in ipairs { 0, 100, 204, 302, 500, 503 } do
				assert.equal("unhealthy", outcome("{}", status));
			end
			for _, garbage in ipairs { "", "nil", "<html>", "[", "[1,2", "[]", "{}", "3", "null", '"x"', '{"ok":1}', ("["):rep(16000), "\0\255" } do
				assert.equal("unhealthy", outcome(garbage, 200));
			end
		end);
	end);

	describe("the added elements", function ()
		local url = "https://upload.example/a/summit.jpg";
		local sha256 = "35da6a0d13984a4e7e0edce830a005d227b04ad31cd1056020fd0a7b97603641";
		local hash = "<hash algo='sha-256' xmlns='urn:xmpp:hashes:2'>NdpqDROYSk5+DtzoMKAF0iewStMc0QVgIP0Ke5dgNkE=</hash>";
		local reply = {
			bytes = 3032449, type = "image/jpeg", blurhash = blurhash, width = 4096, height = 2160,
			thumbhash = "1QcSHQRnh493V4dIh4eXh1h4kJUI", durationMs = 12345, sha256 = sha256, filename = "summit.jpg",
		};

		local function described(changes)
			local changed = {};
			for name, value in pairs(reply) do changed[name] = value; end
			for name, value in pairs(changes or {}) do changed[name] = value; end
			return assert(parse_metadata(changed));
		end

		-- Attributes are sorted: their order in memory is random.
		local function text_of(tag)
			if type(tag) == "string" then return st.xml_escape(tag); end
			local names, children = {}, {};
			for name in pairs(tag.attr) do names[#names + 1] = name; end
			table.sort(names);
			for i, name in ipairs(names) do names[i] = " "..name.."='"..tag.attr[name].."'"; end
			for i, child in ipairs(tag) do children[i] = text_of(child); end
			return "<"..tag.name..table.concat(names)..">"..table.concat(children).."</"..tag.name..">";
		end

		local function add(stanza, metadata, ...)
			local media = media_library.find_media(stanza, nil);
			local all = setmetatable({}, { __index = function () return metadata; end });
			local added = m.add_elements(stanza, media, all, set(...));
			return added, stanza;
		end

		local function added_to(stanza, metadata, ...) -- > text of the elements that were added at the end of the stanza
			local before = #stanza.tags;
			add(stanza, metadata, ...);
			local texts = {};
			for i = before + 1, #stanza.tags do texts[#texts + 1] = text_of(stanza.tags[i]); end
			return table.concat(texts);
		end

		it("with the output legacy have the children of <metadata/> in the order of the contract, without unknown values", function ()
			local added, stanza = add(message(url), described(), "legacy");
			assert.is_true(added);
			assert.equal("<x xmlns='jabber:x:oob'><url xmlns='jabber:x:oob'>"..url.."</url><metadata xmlns='"..xmlns_metadata
				.."'><bytes>3032449</bytes><type>image/jpeg</type><blurhash>"..blurhash
				.."</blurhash><width>4096</width><height>2160</height></metadata></x>", text_of(stanza.tags[1]));
			assert.equal(1, #stanza.tags);
			local _, sparse = add(message(url), parse_metadata({ bytes = 5.0, type = "application/octet-stream" }), "legacy");
			assert.equal("<metadata xmlns='"..xmlns_metadata.."'><bytes>5</bytes><type>application/octet-stream</type></metadata>",
				text_of(sparse.tags[1].tags[2]));
		end);

		it("with the output file-metadata are one <file/> of XEP-0446 at the end of a stanza with one URL", function ()
			assert.equal("<file xmlns='urn:xmpp:file:metadata:0'><media-type>image/jpeg</media-type><name>summit.jpg</name><size>3032449</size>"
				.."<width>4096</width><height>2160</height><length>12345</length>"..hash.."</file>", added_to(message(url), described(), "file-metadata"));
			assert.matches("^<file [^<]*<.*</file>$", added_to(message(url, url), described(), "file-metadata"));
			assert.equal("", added_to(message(url, url.."2"), described(), "file-metadata"));
			assert.equal("", added_to(message(url, "aesgcm://upload.example/b#00"), described(), "file-metadata"));
		end);

		it("with the output sims are a <reference/> of XEP-0385, with the ThumbHash before the BlurHash", function ()
			local size = " height='2160' media-type='";
			assert.equal("<reference type='data' xmlns='urn:xmpp:reference:0'><media-sharing xmlns='urn:xmpp:sims:1'>"
				.."<file xmlns='urn:xmpp:jingle:apps:file-transfer:5'><media-type>image/jpeg</media-type><name>summit.jpg</name><size>3032449</size>"
				.."<width xmlns='https://schema.org/'>4096</width><height xmlns='https://schema.org/'>2160</height>"
				.."<duration xmlns='https://schema.org/'>PT12.345S</duration>"..hash
				.."<thumbnail"..size.."image/thumbhash' uri='data:image/thumbhash;base64,1QcSHQRnh493V4dIh4eXh1h4kJUI' width='4096' xmlns='urn:xmpp:thumbs:1'>"
				.."</thumbnail><thumbnail"..size.."image/blurhash' uri='data:image/blurhash,LEHV6nWB2yk8pyo0adR%2A.7kCMdnj' width='4096' "
				.."xmlns='urn:xmpp:thumbs:1'></thumbnail></file><sources><reference type='data' uri='"..url.."' xmlns='urn:xmpp:reference:0'></reference>"
				.."</sources></media-sharing></reference>", added_to(message(url), described(), "sims"));
		end);

		it("with the output sims are added once for each URL, and not without the size that XEP-0385 requires", function ()
			local _, stanza = add(message(url, url.."2", url), described(), "sims");
			assert.equal(3 + 2, #stanza.tags);
			assert.equal("", added_to(message(url), parse_metadata({ type = "image/png", width = 5, height = 5 }), "sims"));
		end);

		it("with the output sfs are a share of XEP-0447, and a fallback that marks the body as meant for clients without XEP-0447", function ()
			assert.equal("<file-sharing disposition='inline' xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'><media-type>image/jpeg</media-type>"
				.."<name>summit.jpg</name><size>3032449</size><width>4096</width><height>2160</height><length>12345</length>"..hash.."</file>"
				.."<sources><url-data target='"..url.."' xmlns='http://jabber.org/protocol/url-data'></url-data></sources></file-sharing>"
				.."<fallback for='urn:xmpp:sfs:0' xmlns='urn:xmpp:fallback:0'><body></body></fallback>",
				added_to(message(url):body(" "..url.."\n"), described(), "sfs"));
			assert.not_matches("fallback", added_to(message(url), described(), "sfs"));
			assert.not_matches("disposition", added_to(message(url), described({ type = "application/pdf" }), "sfs"));
		end);

		it("with sfs are omitted if clients would hide content: no hash, other text in the body, or a URL without a share", function ()
			assert.equal("", added_to(message(url), described({ sha256 = "" }), "sfs"));
			assert.equal("", added_to(message(url):body("look: "..url), described(), "sfs"));
			assert.equal("", added_to(message(url, "aesgcm://upload.example/b#00"), described(), "sfs"));
			local both = added_to(message(url, url.."2"):body(url.."\n"..url.."2"), described(), "sfs");
			assert.matches("id='media%-1'.*id='media%-2'", both); -- without ids, clients treat several shares as a mistake
		end);

		it("are omitted if no metadata is known", function ()
			for _, unknown in ipairs { {}, { type = "application/octet-stream", bytes = require "util.json".null } } do
				unknown.type = unknown.type or "application/octet-stream";
				local stanza = message(url):body(url);
				local before = tostring(stanza);
				assert.is_false(add(stanza, parse_metadata(unknown), "legacy", "file-metadata", "sims", "sfs"));
				assert.equal(before, tostring(stanza));
			end
		end);

		it("do not repeat an element by which the sender describes the URL, except <metadata/>, which only the server adds", function ()
			local sims = st.stanza("reference", { xmlns = "urn:xmpp:reference:0", type = "data" })
				:tag("media-sharing", { xmlns = "urn:xmpp:sims:1" }):tag("sources")
				:tag("reference", { xmlns = "urn:xmpp:reference:0", type = "data", uri = url }):reset();
			local sfs = st.stanza("file-sharing", { xmlns = "urn:xmpp:sfs:0" }):tag("sources")
				:tag("url-data", { xmlns = "http://jabber.org/protocol/url-data", target = url }):reset();
			local nameless = st.stanza("file-sharing", { xmlns = "urn:xmpp:sfs:0" }):tag("file", { xmlns = "urn:xmpp:file:metadata:0" }):reset();
			local file = st.stanza("file", { xmlns = "urn:xmpp:file:metadata:0" }):text_tag("size", "1");
			for _, theirs in ipairs { sims, sfs, nameless, file } do
				local stanza = message(url):add_child(theirs);
				assert.equal("", added_to(stanza, described(), "legacy", "file-metadata", "sims", "sfs"));
				assert.is_table(stanza.tags[1]:get_child("metadata", xmlns_metadata));
			end
			local mention = st.stanza("reference", { xmlns = "urn:xmpp:reference:0", type = "mention", uri = "xmpp:romeo@example.net" });
			assert.matches("^<file ", added_to(message(url):add_child(mention), described(), "file-metadata"));
			assert.matches("media%-sharing", added_to(message(url.."2", url):add_child(sims), described(), "sims"));
		end);

		it("add at most 1536 bytes per URL to a stanza: an element that does not fit is omitted", function ()
			local outputs = { "legacy", "file-metadata", "sims", "sfs" };
			local long = "https://upload.example/"..("x"):rep(2000);
			local names = { "summit.jpg", ("é"):rep(127), ("&"):rep(255), ("'"):rep(255) };
			for _, target in ipairs { url, long } do
				for _, name in ipairs(names) do
					local stanza = message(target):body(target);
					local before = #tostring(stanza);
					add(stanza, described({ filename = name }), table.unpack(outputs));
					assert.is_true(#tostring(stanza) - before <= 1536);
					assert.is_table(stanza.tags[1]:get_child("metadata", xmlns_metadata));
				end
			end
			assert.equal("", added_to(message(long), described(), "sims"));
			assert.matches("^<reference", added_to(message(url), described(), "legacy", "sims"));
		end);

		it("omit a file name that XML forbids, that looks like a path or that fakes an extension, and keep the other fields", function ()
			local names = {
				"", "a\0b", "a\nb", "a\127b", "a/b", "a\\b", "\255", "\237\160\128", "\239\191\190", "\239\191\191", "\194\133", ("x"):rep(256), 5, {}, true,
				".", "..", "...", ".. ", " ", "\t ", "\u{a0}", "\u{2003}\u{3000}", "\u{2028}a", "a\u{2029}",
			};
			for _, code in ipairs { 0xad, 0x61c, 0x180e, 0x200b, 0x200e, 0x200f, 0x2060, 0xfeff, 0xfff9, 0xe0001, 0xe007f } do
				table.insert(names, "holiday"..utf8.char(code).."gpj.exe");
			end
			for code = 0x202a, 0x202e do table.insert(names, "holiday"..utf8.char(code).."gpj.exe"); end
			for code = 0x2066, 0x2069 do table.insert(names, "holiday"..utf8.char(code).."gpj.exe"); end
			for _, name in ipairs(names) do
				local text = added_to(message(url), described({ filename = name }), "file-metadata");
				assert.matches("<size>3032449</size>", text);
				assert.not_matches("<name>", text);
			end
			local _, stanza = add(message(url), described({ filename = "a<b>&'\".jpg" }), "file-metadata");
			assert.matches("<name>a&lt;b&gt;&amp;", tostring(stanza));
		end);

		it("keep file names of any script, with the joiners that Persian and emoji need", function ()
			for _, name in ipairs {
				"..a", "a b.jpg", ".profile", "\u{645}\u{6cc}\u{200c}\u{62e}.jpg", "\u{1f469}\u{200d}\u{1f4bb}.png", "\u{5d0}.pdf", "\u{3042}",
			} do
				assert.matches("<name>"..name:gsub("%p", "%%%0").."</name>", added_to(message(url), described({ filename = name }), "file-metadata"));
			end
		end);

		it("omit a duration, hash or preview that is out of range, and keep the other fields", function ()
			for _, wrong in ipairs {
				{ durationMs = -1 }, { durationMs = 2^31 }, { durationMs = 0.5 }, { durationMs = 1/0 }, { durationMs = 0/0 }, { durationMs = "1" },
				{ sha256 = sha256:sub(2) }, { sha256 = sha256:sub(2).."g" }, { sha256 = 5 }, { sha256 = sha256.."00" },
				{ thumbhash = "1QcSHQRnh493V4dIh4eXh1h4kJU" }, { thumbhash = "1Qc'" }, { thumbhash = ("A"):rep(40) }, { thumbhash = {} },
			} do
				local text = added_to(message(url), described(wrong), "sims");
				local word = wrong.durationMs and "duration" or wrong.sha256 and "hashes" or "image/thumbhash";
				assert.matches("<size>3032449</size>", text);
				assert.not_matches(word, text);
			end
		end);
	end);

	describe("the options of a module", function ()
		it("reject an unknown output or scope", function ()
			assert.is_table(support.load_lookups({ muc_media_metadata_output = { "sims" }, muc_media_metadata_scope = "local-uploads" }));
			assert.has_error(function () support.load_lookups({ muc_media_metadata_output = { "sims", "simms" } }); end);
			assert.has_error(function () support.load_lookups({ muc_media_metadata_scope = "local" }); end);
		end);
	end);

	describe("the fields that the oracle is asked for", function ()
		it("the request has the fields that the outputs carry, and the hash of the file only for an output that needs it", function ()
			assert.same({ "blurhash", "bytes", "height", "type", "width" }, m.fields_of(set("legacy")));
			assert.same({ "blurhash", "bytes", "durationMs", "filename", "height", "type", "width" },
				m.fields_of(set("legacy", "file-metadata")));
			assert.same({ "blurhash", "bytes", "durationMs", "filename", "height", "thumbhash", "type", "width" },
				m.fields_of(set("sims")));
			assert.same({ "bytes", "durationMs", "filename", "height", "sha256", "type", "width" }, m.fields_of(set("sfs")));
		end);
	end);

	describe("metadata in the sender's own message", function ()
		local function forged() return st.stanza("metadata", { xmlns = xmlns_metadata }):text_tag("bytes", "1"); end

		it("is removed at any depth and any number of times, and no other element is", function ()
			local stanza = message("https://a.example/1", "https://a.example/2"):body("hi");
			local before = tostring(stanza);
			stanza:add_direct_child(forged());
			for _, x in ipairs({ stanza.tags[1], stanza.tags[2] }) do
				table.insert(x, 1, "text");
				x:add_direct_child(forged());
				x:add_direct_child(forged());
				table.remove(x, 1);
			end
			assert.equal(before, tostring(media_library.strip_metadata(stanza)));
			local kept = st.message():tag("metadata", { xmlns = "urn:xmpp:other" }):up():tag("other", { xmlns = xmlns_metadata }):reset();
			local as_it_was = tostring(kept);
			assert.equal(as_it_was, tostring(media_library.strip_metadata(kept)));
		end);

		it("is removed from the bottom of a stanza that is nested too deeply for recursion", function ()
			local stanza = st.message();
			local at = stanza;
			for _ = 1, 100000 do
				local child = st.stanza("a", { xmlns = "urn:x" });
				at:add_direct_child(child);
				at = child;
			end
			at:add_direct_child(forged());
			media_library.strip_metadata(stanza);
			assert.equal(0, #at.tags);
		end);

		it("is removed in linear time if there is much of it", function ()
			local x = st.stanza("x", { xmlns = xmlns_metadata });
			for _ = 1, 100000 do x:add_direct_child(forged()); end
			local started = os.clock();
			media_library.strip_metadata(st.message():add_direct_child(x) or x);
			assert.is_true(os.clock() - started < 2);
		end);
	end);

	describe("the set of URLs that are looked up", function ()
		local function wanted(url, ...) return media_library.is_wanted(url, ... ~= nil and set(...) or nil); end

		it("has http and https URLs of at most 2048 bytes", function ()
			assert.is_true(wanted("https://a.example/x"));
			assert.is_true(wanted("HTTP://a.example"));
			assert.is_true(wanted("https://a.example/"..("x"):rep(2048 - 18)));
			assert.is_false(wanted("https://a.example/"..("x"):rep(2048 - 17)));
			for _, url in ipairs { "aesgcm://a.example/x#00", "ftp://a.example/", "file:///etc/passwd", "https:a.example", "https://", "//a.example", "" } do
				assert.is_false(wanted(url));
			end
		end);

		it("has only URLs on the hosts of the option, if it names any", function ()
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

		it("URLs are found in linear time in a stanza of many URLs with a long user name", function ()
			local urls = {};
			for at = 1, 300 do urls[at] = "https://"..("x"):rep(2000).."@"..at; end
			local started = os.clock();
			assert.equal(300, #media_library.find_media(message(table.unpack(urls)), nil));
			assert.is_true(os.clock() - started < 0.5); -- quadratic: 2.5 s
		end);

		it("has each URL once, with every element that contains it", function ()
			local media, urls = media_library.find_media(message("https://a.example/1", " https://a.example/2\n", "https://a.example/1", "https://a b/", ""));
			assert.same({ "https://a.example/1", "https://a.example/2" }, urls);
			assert.equal(3, #media);
		end);

		it("is empty for a message that is encrypted in any way, or that has an encrypted file", function ()
			for _, marker in ipairs {
				st.stanza("encrypted", { xmlns = "eu.siacs.conversations.axolotl" }),
				st.stanza("encrypted", { xmlns = "urn:xmpp:omemo:2" }),
				st.stanza("encryption", { xmlns = "urn:xmpp:eme:0", namespace = "urn:x" }),
				st.stanza("openpgp", { xmlns = "urn:xmpp:openpgp:0" }):text("AAAA"), -- XEP-0373
				st.stanza("x", { xmlns = "jabber:x:encrypted" }):text("AAAA"), -- XEP-0027
				st.stanza("e2e", { xmlns = "urn:ietf:params:xml:ns:xmpp-e2e" }):text("AAAA"), -- RFC 3923
				st.stanza("body"):text("?OTR:AAQD"), -- XEP-0364
				st.stanza("file-sharing", { xmlns = "urn:xmpp:sfs:0" }):tag("sources")
					:tag("encrypted", { xmlns = "urn:xmpp:esfs:0" }):reset(), -- XEP-0448
				st.stanza("sources", { xmlns = "urn:xmpp:sfs:0" }):tag("data", { xmlns = "urn:xmpp:esfs:0" }):reset(),
			} do
				local media, urls = media_library.find_media(message("https://a.example/1"):add_child(marker), nil);
				assert.same({ 0, 0 }, { #media, #urls });
			end
		end);
	end);

	describe("the circuit breaker", function ()
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

		it("keeps records of a bounded number of senders", function ()
			local unlimited = new_breaker(math.huge, 30, function () return now; end);
			collectgarbage();
			local before = collectgarbage("count");
			for at = 1, 50000 do unlimited.record_unhealthy(at.."@example.net"); end
			collectgarbage();
			assert.is_true(collectgarbage("count") - before < 1000); -- KB; without the bound more than 10 MB
		end);
	end);
end);
