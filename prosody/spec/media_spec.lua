package.path = "prosody/spec/?.lua;"..package.path;
local support = require "library";
local st, set, message = support.st, support.set, support.message;

local xmlns_metadata = "xmpp:prosody.im/protocol/media-metadata#0";

local describe = support.has_prosody and describe or pending;

local media_library = support.has_prosody and support.load_library("media");

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
		local marked = st.message():tag("reference", { xmlns = "urn:xmpp:reference:0" }):tag("by-server", { xmlns = xmlns_metadata }):reset();
		assert.equal(0, #media_library.strip_metadata(marked).tags[1].tags);
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

	it("has http and https URLs of at most 8192 bytes", function ()
		assert.is_true(wanted("https://a.example/x"));
		assert.is_true(wanted("HTTP://a.example"));
		assert.is_true(wanted("https://a.example/"..("x"):rep(8192 - 18)));
		assert.is_false(wanted("https://a.example/"..("x"):rep(8192 - 17)));
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
		for at = 1, 300 do urls[at] = "https://"..("x"):rep(8000).."@"..at; end
		local started = os.clock();
		assert.equal(300, #media_library.find_media(message(table.unpack(urls)), nil));
		assert.is_true(os.clock() - started < 0.5); -- quadratic: 2.5 s
	end);

	it("has each URL once, with every element that contains it", function ()
		local media, urls = media_library.find_media(message("https://a.example/1", " https://a.example/2\n", "https://a.example/1", "https://a b/", ""));
		assert.same({ "https://a.example/1", "https://a.example/2" }, urls);
		assert.equal(3, #media);
	end);

	it("has the URLs of a message with malformed elements beside them, which have none", function ()
		local stanza = message("https://a.example/1", "");
		stanza:tag("x", { xmlns = "jabber:x:oob" }):up();
		stanza:tag("x", { xmlns = "jabber:x:oob" }):tag("url"):tag("b"):reset();
		stanza:tag("body"):tag("b"):reset();
		local media, urls = media_library.find_media(stanza, nil);
		assert.same({ 1, { "https://a.example/1" } }, { #media, urls });
		assert.equal(4, media_library.count_urls(stanza));
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
