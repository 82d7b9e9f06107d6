package.path = "prosody/spec/?.lua;"..package.path;
local support = require "library";
local st, set, message = support.st, support.set, support.message;

local xmlns_metadata = "xmpp:prosody.im/protocol/media-metadata#0";
local blurhash = "LEHV6nWB2yk8pyo0adR*.7kCMdnj";

local describe = support.has_prosody and describe or pending;

describe("the added elements", function ()
	local elements = support.has_prosody and support.load_library("elements");
	local media_library = support.has_prosody and support.load_library("media");
	local parse_metadata = support.has_prosody and support.load_library("reply").parse_metadata;
	local thumbnail = support.has_prosody and support.png(8, 4);
	local url = "https://upload.example/a/summit.jpg";
	local sha256 = "35da6a0d13984a4e7e0edce830a005d227b04ad31cd1056020fd0a7b97603641";
	local hash = "<hash algo='sha-256' xmlns='urn:xmpp:hashes:2'>NdpqDROYSk5+DtzoMKAF0iewStMc0QVgIP0Ke5dgNkE=</hash>";
	local reply = {
		bytes = 3032449, type = "image/jpeg", blurhash = blurhash, width = 4096, height = 2160,
		thumbhash = "1QcSHQRnh493V4dIh4eXh1h4kJUI", durationMs = 12345, sha256 = sha256, filename = "summit.jpg", thumbnail = thumbnail,
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

	local trusted_hosts = support.has_prosody and set("upload.example");

	local function add(stanza, metadata, ...)
		local media = media_library.find_media(stanza, nil);
		local all = setmetatable({}, { __index = function () return metadata; end });
		local added = elements.add_elements(stanza, media, all, set(...), trusted_hosts);
		return added[1] ~= nil, stanza;
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

	local function child_of(stanza, name, xmlns) -- > text of the child, or ""
		local child = stanza:get_child(name, xmlns);
		return child and text_of(child) or "";
	end

	local function sims_of(stanza, metadata)
		add(stanza, metadata, "sims");
		return child_of(stanza, "reference", "urn:xmpp:reference:0");
	end

	it("with the output sims are a <reference/> of XEP-0385 about one character behind the body, with a ThumbHash", function ()
		local reference = "<reference begin='"..#url.."' end='"..(#url + 1).."' type='data'";
		assert.equal(reference.." xmlns='urn:xmpp:reference:0'><by-server xmlns='"..xmlns_metadata.."'></by-server>"
			.."<media-sharing xmlns='urn:xmpp:sims:1'><file xmlns='urn:xmpp:jingle:apps:file-transfer:5'><media-type>image/jpeg</media-type>"
			.."<name>summit.jpg</name><size>3032449</size>"
			.."<width xmlns='https://schema.org/'>4096</width><height xmlns='https://schema.org/'>2160</height>"
			.."<duration xmlns='https://schema.org/'>PT12.345S</duration>"..hash
			.."<thumbnail height='2160' media-type='image/thumbhash' uri='data:image/thumbhash;base64,1QcSHQRnh493V4dIh4eXh1h4kJUI' width='4096'"
			.." xmlns='urn:xmpp:thumbs:1'></thumbnail></file><sources>"..reference.." uri='"..url.."' xmlns='urn:xmpp:reference:0'></reference>"
			.."</sources></media-sharing></reference>", sims_of(message(url):body(url), described()));
	end);

	it("with the output sims have a range that Smack accepts, and that is behind the body however characters are counted", function ()
		for _, text in ipairs { "x", "\u{1f3d4}\u{fe0f} "..url, "\u{e9}t\u{e9} "..url, "\u{1f469}\u{200d}\u{1f4bb}" } do
			local from, to = sims_of(message(url):body(text), described()):match("^<reference begin='(%d+)' end='(%d+)'");
			assert.is_true(tonumber(to) > tonumber(from)); -- Smack throws otherwise, and the message is lost
			assert.equal(#text, tonumber(from)); -- bytes: at least as many as code points or UTF-16 units
		end
		local translated = message(url):body("short"):tag("body", { ["xml:lang"] = "de" }):text("longer"):reset();
		assert.matches("^<reference begin='6' end='7'", sims_of(translated, described()));
	end);

	it("with the output sims are omitted without a body, and if the out-of-band text is not exactly the URL of the source", function ()
		assert.equal("", sims_of(message(url), described()));
		assert.equal("", sims_of(message(url):body(""), described()));
		assert.equal("", sims_of(message(" "..url.."\n"):body(url), described()));
		assert.equal("", sims_of(message(url):tag("body"):tag("b"):reset(), described())); -- malformed
	end);

	it("with the output sims have no thumbnail of a video, and none of more than 65535 pixels a side", function ()
		assert.not_matches("thumbnail", sims_of(message(url):body(url), described({ type = "video/mp4" })));
		assert.matches("<thumbnail height='1' .* width='65535'", sims_of(message(url):body(url), described({ width = 65535, height = 1 })));
		assert.matches("<thumbnail height='65535' .* width='1'", sims_of(message(url):body(url), described({ width = 1, height = 65535 })));
		assert.not_matches("<thumbnail height", sims_of(message(url):body(url), described({ width = 1, height = 65536 })));
		local text = sims_of(message(url):body(url), described({ width = 65536, height = 1 }));
		assert.matches("<thumbnail media%-type='image/thumbhash' uri='[^']*' xmlns=", text);
		assert.matches(">65536</width>", text);
	end);

	it("with the outputs sims and sfs have a hash only of files on trusted hosts, because clients delete a file with another hash", function ()
		local elsewhere = "https://elsewhere.example/summit.jpg";
		assert.not_matches("hash algo", sims_of(message(elsewhere):body(elsewhere), described()));
		assert.matches("</reference>", sims_of(message(elsewhere):body(elsewhere), described()));
		assert.equal("", added_to(message(elsewhere):body(elsewhere), described(), "sfs"));
	end);

	it("with the output sims are added once for each URL, and not without the size that XEP-0385 requires", function ()
		local _, stanza = add(message(url, url.."2", url):body("x"), described(), "sims");
		assert.equal(4 + 2, #stanza.tags);
		assert.equal("", sims_of(message(url):body("x"), parse_metadata({ type = "image/png", width = 5, height = 5 })));
	end);

	it("with the output sfs are a share of XEP-0447 with a PNG, its sources once more for Dino 0.5.0, and a fallback for the body", function ()
		local sources = "<url-data target='"..url.."' xmlns='http://jabber.org/protocol/url-data'></url-data></sources>";
		assert.equal("<file-sharing id='media-1' xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'><media-type>image/jpeg</media-type>"
			.."<name>summit.jpg</name><size>3032449</size><width>4096</width><height>2160</height><length>12345</length>"..hash
			.."<media_type>image/jpeg</media_type><thumbnail media-type='image/png' uri='"..thumbnail.."' xmlns='urn:xmpp:thumbs:1'></thumbnail></file>"
			.."<sources>"..sources.."</file-sharing><sources id='media-1' xmlns='urn:xmpp:sfs:0'>"..sources
			.."<fallback for='urn:xmpp:sfs:0' xmlns='urn:xmpp:fallback:0'><body></body></fallback>",
			added_to(message(url):body(" "..url.."\n"), described(), "sfs"));
		assert.not_matches("fallback", added_to(message(url), described(), "sfs"));
	end);

	it("with sfs have no thumbnail of more than 25 megapixels, of unknown sides or of a video, which Dino would scale in memory", function ()
		for _, changes in ipairs { { width = 5001, height = 5000 }, { width = 2^31 - 1, height = 2^31 - 1 }, { width = 0 }, { type = "video/mp4" } } do
			local text = added_to(message(url):body(url), described(changes), "sfs");
			assert.matches("^<file%-sharing", text);
			assert.not_matches("thumbnail", text);
		end
		assert.matches("thumbnail", added_to(message(url):body(url), described({ width = 5000, height = 5000 }), "sfs"));
	end);

	it("with sfs are omitted if clients would hide content: no hash, other text in the body, or several URLs", function ()
		assert.equal("", added_to(message(url), described({ sha256 = "" }), "sfs"));
		assert.equal("", added_to(message(url):body("look: "..url), described(), "sfs"));
		assert.equal("", added_to(message(url):tag("body"):tag("b"):reset(), described(), "sfs")); -- malformed
		assert.equal("", added_to(message(url, "aesgcm://upload.example/b#00"), described(), "sfs"));
		assert.equal("", added_to(message(url, url.."2"):body(url.."\n"..url.."2"), described(), "sfs")); -- Dino reads the first source only
		assert.matches("^<file%-sharing", added_to(message(url, url):body(url.."\n"..url), described(), "sfs"));
	end);

	it("with sfs are omitted if the sender shares the file, also in two messages as Dino and Kaidan do; the other outputs stay", function ()
		for _, theirs in ipairs {
			st.stanza("sources", { xmlns = "urn:xmpp:sfs:0", id = "1" })
				:tag("url-data", { xmlns = "http://jabber.org/protocol/url-data", target = url }):reset(),
			st.stanza("file-sharing", { xmlns = "urn:xmpp:sfs:0" }):tag("sources")
				:tag("url-data", { xmlns = "http://jabber.org/protocol/url-data", target = url.."2" }):reset(),
			st.stanza("attach-to", { xmlns = "urn:xmpp:message-attaching:1", id = "m0" }),
			st.stanza("fallback", { xmlns = "urn:xmpp:fallback:0", ["for"] = "urn:xmpp:sfs:0" }),
		} do
			local stanza = message(url):body(url):add_child(theirs);
			local text = added_to(stanza, described(), "legacy", "file-metadata", "sims", "sfs");
			assert.matches("^<file .*<reference .*</reference>$", text);
			assert.is_table(stanza.tags[1]:get_child("metadata", xmlns_metadata));
		end
		for _, other in ipairs {
			st.stanza("fallback", { xmlns = "urn:xmpp:fallback:0", ["for"] = "urn:xmpp:reply:0" }),
			st.stanza("sources", { xmlns = "urn:example:sources" }),
			st.stanza("file-sharing", { xmlns = "urn:example:sharing" }),
			st.stanza("other", { xmlns = "urn:xmpp:sfs:0" }),
			st.stanza("attach-to", { xmlns = "urn:example:attaching", id = "m0" }),
			st.stanza("attach-to"),
			st.stanza("other", { xmlns = "urn:xmpp:message-attaching:1", id = "m0" }),
			st.stanza("other", { xmlns = "urn:example:fallback", ["for"] = "urn:xmpp:sfs:0" }),
		} do
			assert.matches("^<file%-sharing", added_to(message(url):body(url):add_child(other), described(), "sfs"));
		end
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

	it("are added if only the type, only the size or only the blurhash is known", function ()
		for _, known in ipairs { { type = "text/plain" }, { bytes = 0 }, { blurhash = blurhash }, { width = 1, height = 1 } } do
			assert.is_true((add(message(url), parse_metadata(known), "legacy")));
		end
		assert.is_false((add(message(url), parse_metadata({ type = "no type" }), "legacy")));
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
		for _, theirs in ipairs { sims, sfs } do
			local text = added_to(message(url.."2", url):body("x"):add_child(theirs), described(), "sims");
			assert.matches("media%-sharing", text);
			assert.not_matches("uri='"..url:gsub("%p", "%%%0").."'", text);
		end
		for _, other in ipairs {
			st.stanza("reference", { xmlns = "urn:xmpp:reference:0", type = "data" }),
			st.stanza("other", { xmlns = "urn:xmpp:reference:0" }):tag("media-sharing", { xmlns = "urn:xmpp:sims:1" }):reset(),
			st.stanza("reference", { xmlns = "urn:example:reference" }):tag("media-sharing", { xmlns = "urn:xmpp:sims:1" }):reset(),
		} do
			assert.matches("^<file ", added_to(message(url):add_child(other), described(), "file-metadata"));
		end
	end);

	it("add at most 3072 bytes per URL to a stanza: an element that does not fit is omitted", function ()
		local outputs = { "legacy", "file-metadata", "sims", "sfs" };
		local long = "https://upload.example/"..("x"):rep(8000);
		local names = { "summit.jpg", ("\u{e9}"):rep(127), ("&"):rep(255), ("'"):rep(255) };
		for _, target in ipairs { url, long } do
			for _, name in ipairs(names) do
				local stanza = message(target):body(target);
				local before = #tostring(stanza);
				add(stanza, described({ filename = name }), table.unpack(outputs));
				assert.is_true(#tostring(stanza) - before <= 3072);
				assert.is_table(stanza.tags[1]:get_child("metadata", xmlns_metadata));
			end
		end
		assert.equal("", added_to(message(long):body(long), described(), "sfs")); -- has the URL twice
		assert.matches("^<file .*<reference .*<file%-sharing .*<sources .*<fallback ",
			added_to(message(url):body(url), described(), table.unpack(outputs)));
	end);

	it("add an element that fits exactly, and none of one byte more", function ()
		local function size_with(target) -- > bytes of the added element
			local stanza = message(target):body("x");
			local before = #tostring(stanza);
			add(stanza, described(), "sims");
			return #tostring(stanza) - before;
		end
		local exact = url..("x"):rep(3072 - size_with(url));
		assert.equal(3072, size_with(exact));
		assert.equal(0, size_with(exact.."x"));
	end);

	it("fit together in any configuration, if URL and name are of usual length and the thumbnail is as long as possible", function ()
		local usual = "https://upload.example/file_share/0193ab12-3c4d-7e5f-8a9b-0c1d2e3f4a5b/IMG_20240101_120000.jpg";
		local png = support.png(8, 8, 400);
		assert.matches("^<file .*<reference .*<file%-sharing .*<sources .*<fallback ", added_to(message(usual):body(usual),
			described({ filename = "IMG_20240101_120000.jpg", thumbnail = png }), "legacy", "file-metadata", "sims", "sfs"));
	end);

	it("omit a file name that XML forbids, that looks like a path or that fakes an extension, and keep the other fields", function ()
		local names = {
			"", "a\0b", "a\nb", "a\127b", "a/b", "a\\b", "\255", "\237\160\128", "\239\191\190", "\239\191\191", "\194\133", ("x"):rep(256), 5, {}, true,
			".", "..", "...", ".. ", " ", "\t ", "\u{a0}", "\u{2003}\u{3000}", "\u{2028}a", "a\u{2029}",
		};
		for _, code in ipairs { 0xa0, 0x1680, 0x2000, 0x200a, 0x202f, 0x205f, 0x3000 } do table.insert(names, utf8.char(code)); end
		for _, code in ipairs {
			0x80, 0x9f, 0xad, 0x61c, 0x180e, 0x200b, 0x200e, 0x200f, 0x2060, 0x206f, 0xfeff, 0xfff9, 0xfffb, 0xe0000, 0xe0001, 0xe007f,
		} do
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
			"\u{1680}a", "a\u{2070}", "a\u{fffc}", "a\u{e0080}",
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
			local text = added_to(message(url):body(url), described(wrong), "sims");
			local word = wrong.durationMs and "duration" or wrong.sha256 and "hashes" or "image/thumbhash";
			assert.matches("<size>3032449</size>", text);
			assert.not_matches(word, text);
		end
	end);
end);

describe("the fields that the oracle is asked for", function ()
	local fields_of = support.has_prosody and support.load_library("elements").fields_of;

	it("the request has the fields that the outputs carry, and the hash of the file only for an output that needs it", function ()
		assert.same({ "blurhash", "bytes", "height", "type", "width" }, fields_of(set("legacy")));
		assert.same({ "blurhash", "bytes", "durationMs", "filename", "height", "type", "width" },
			fields_of(set("legacy", "file-metadata")));
		assert.same({ "bytes", "durationMs", "filename", "height", "thumbhash", "type", "width" }, fields_of(set("sims")));
		assert.same({ "bytes", "durationMs", "filename", "height", "sha256", "thumbnail", "type", "width" }, fields_of(set("sfs")));
	end);
end);
