package.path = "prosody/spec/?.lua;"..package.path;
local support = require "library";
local st, set, message = support.st, support.set, support.message;

local xmlns_metadata = "xmpp:prosody.im/protocol/media-metadata#0";

local describe = support.has_prosody and describe or pending;

describe("the completion of a stored message", function ()
	local copies = support.has_prosody and support.load_library("copies");
	local elements = support.has_prosody and support.load_library("elements");
	local media_library = support.has_prosody and support.load_library("media");
	local url = "https://upload.example/a.jpg";
	local outputs = support.has_prosody and set("legacy", "file-metadata", "sims", "sfs");
	local hosts = support.has_prosody and set("upload.example");
	local partial = { bytes = 5, type = "image/jpeg", sha256 = ("0"):rep(64) };
	local complete = { bytes = 5, type = "image/jpeg", sha256 = ("0"):rep(64), width = 8, height = 4, thumbhash = "AAAA", blurhash = "00TI:j" };

	local function annotate(stanza, metadata) -- > added elements
		return elements.add_elements(stanza, media_library.find_media(stanza, nil), { [url] = metadata }, outputs, hosts);
	end

	-- As storages and parsers of XML do: each element has its namespace.
	local function with_namespaces(stanza, parent_xmlns)
		local xmlns = stanza.attr.xmlns or parent_xmlns;
		stanza.attr.xmlns = xmlns;
		for _, child in ipairs(stanza.tags) do with_namespaces(child, xmlns); end
		return stanza;
	end

	local function copy_of(stored) -- > copy, function () > the stanza that it contains
		return { get = function () return stored; end; set = function (stanza) stored = stanza; return true; end }, function () return stored; end;
	end

	local function complete_copy(stanza, added, change, metadata) -- > outcome, the stored stanza
		local stored = st.clone(stanza);
		if change then stored = change(stored) or stored; end
		local copy, get = copy_of(stored);
		local mark, texts = copies.fingerprint(stanza), copies.texts_of(added);
		return copies.complete_copy(copy, mark, texts, { [url] = metadata or complete }, outputs, hosts), get();
	end

	local function names_of(stanza)
		local names = {};
		for _, tag in ipairs(stanza.tags) do table.insert(names, tag.name); end
		return table.concat(names, " ");
	end

	it("replaces the elements that the module added, also if the storage wrote their namespaces out, and no others", function ()
		for _, change in ipairs { false, with_namespaces } do
			local stanza = message(url):body(url):tag("thread"):text("t"):up();
			local added = annotate(stanza, partial);
			local outcome, stored = complete_copy(stanza, added, change);
			assert.equal("stored", outcome);
			assert.equal("x body thread file reference file-sharing sources fallback", names_of(stored));
			assert.equal("8", stored:get_child("x", "jabber:x:oob"):get_child("metadata", xmlns_metadata):get_child_text("width"));
			assert.equal(2, #stored.tags[1].tags);
			assert.equal("8", stored:get_child("file", "urn:xmpp:file:metadata:0"):get_child_text("width"));
		end
	end);

	it("keeps elements of others that differ from the added ones, however deep they are", function ()
		local stanza = message(url):body(url);
		local added = annotate(stanza, partial);
		local _, stored = complete_copy(stanza, added, function (archived)
			archived:tag("x", { xmlns = "http://jabber.org/protocol/muc#user" }):tag("item", { jid = "a@b.example" }):reset();
			local deep = st.stanza("reference", { xmlns = "urn:xmpp:reference:0" });
			for _ = 1, 50 do
				deep = st.stanza("reference", { xmlns = "urn:xmpp:reference:0" }):add_child(deep);
			end
			archived:add_direct_child(deep);
			local foreign = st.clone(archived:get_child("file", "urn:xmpp:file:metadata:0"));
			foreign.attr.xmlns = "urn:example:file";
			archived:add_direct_child(foreign);
			for _, change in ipairs {
				function (file) file.attr.id = "1"; end;
				function (file) file.tags[1][1] = "image/gif"; end;
				function (file) table.remove(file, 1); table.remove(file.tags, 1); end;
			} do
				local other = st.clone(archived:get_child("file", "urn:xmpp:file:metadata:0"));
				change(other);
				archived:add_direct_child(other);
			end
		end);
		assert.matches("^x body x reference file file file file", names_of(stored));
		assert.is_table(stored:get_child("file", "urn:example:file"));
	end);

	it("spends little memory on elements that are too deep to be added ones", function ()
		local stanza = message(url):body(url);
		local deep = st.stanza("reference", { xmlns = "urn:xmpp:reference:0" });
		for _ = 1, 1000 do
			deep = st.stanza("reference", { xmlns = "urn:xmpp:reference:0" }):add_child(deep);
		end
		stanza:add_direct_child(deep);
		collectgarbage();
		collectgarbage("stop");
		local before = collectgarbage("count");
		local outcome = complete_copy(stanza, {});
		local spent = collectgarbage("count") - before;
		collectgarbage("restart");
		assert.equal("stored", outcome);
		assert.is_true(spent < 10000, spent); -- KB; 1000, but with the text of each level more than 30000
	end);

	it("leaves a message alone that was corrected, or replaced by a tombstone, or that is gone", function ()
		local stanza = message(url):body(url);
		stanza.attr.id = "m1";
		local added = annotate(stanza, partial);
		for _, change in ipairs {
			function (stored) stored:get_child("body")[1] = "better"; end;
			function (stored) stored.attr.id = "m2"; end;
			function (stored) stored:add_direct_child(st.stanza("body"):tag("b"):reset()); end;
			function (stored) stored:add_direct_child(st.stanza("x", { xmlns = "jabber:x:oob" })); end;
			function (stored) stored:get_child("x", "jabber:x:oob").tags[1][1] = "https://b.example/"; end;
			function () return st.message({ id = "m1" }):tag("retracted", { xmlns = "urn:xmpp:message-retract:1" }):reset(); end;
		} do
			local before;
			local outcome, stored = complete_copy(stanza, added, function (it)
				it = change(it) or it;
				before = tostring(it);
				return it;
			end);
			assert.equal("changed", outcome);
			assert.equal(before, tostring(stored));
		end
		local gone = { get = function () return nil, "item-not-found"; end };
		assert.equal("changed", copies.complete_copy(gone, copies.fingerprint(stanza), {}, {}, outputs, hosts));
	end);

	it("knows the ids of a message, and the ids that a correction or retraction refers to", function ()
		local stanza = message(url):tag("origin-id", { xmlns = "urn:xmpp:sid:0", id = "o1" }):up()
			:tag("stanza-id", { xmlns = "urn:xmpp:sid:0", id = "s1", by = "room@rooms.example" }):up();
		stanza.attr.id = "m1";
		assert.equal(set("m1", "o1", "s1"), copies.ids_of(stanza));
		for name, xmlns in pairs {
			["replace"] = "urn:xmpp:message-correct:0", ["retract"] = "urn:xmpp:message-retract:1", ["apply-to"] = "urn:xmpp:fasten:0",
			["retracted"] = "urn:xmpp:message-retract:0",
		} do
			assert.same({ "m1" }, copies.changed_ids(st.message():tag(name, { xmlns = xmlns, id = "m1" }):up()));
			assert.same({}, copies.changed_ids(st.message():tag(name, { xmlns = xmlns }):up()));
		end
		assert.same({}, copies.changed_ids(st.message():tag("reply", { xmlns = "urn:xmpp:reply:0", id = "m1" }):up()));
	end);

	it("reads and writes the copy in an archive by its user and its id", function ()
		local items = { ["room s1"] = "before" };
		local copy = copies.archived_copy({
			get = function (_, username, id) return items[username.." "..id], 1, 2; end;
			set = function (_, username, id, stanza) items[username.." "..id] = stanza; return true; end;
		}, "room", "s1");
		assert.same({ "before" }, { copy.get() });
		assert.is_true(copy.set("after"));
		assert.same({ ["room s1"] = "after" }, items);
	end);

	it("fails if the archive does not store the message", function ()
		local stanza = message(url):body(url);
		local copy = { get = function () return stanza; end; set = function () return nil, "quota"; end };
		local outcome = copies.complete_copy(copy, copies.fingerprint(stanza), {}, { [url] = complete }, outputs, hosts);
		assert.equal("failed", outcome);
	end);

	it("is not tried with a storage that cannot change an item", function ()
		assert.is_nil(copies.archived_copy({ get = function () end }, "room", "s1"));
		assert.is_nil(copies.archived_copy({ set = function () end }, "room", "s1"));
		assert.is_nil(copies.archived_copy(nil, "room", "s1"));
	end);
end);
