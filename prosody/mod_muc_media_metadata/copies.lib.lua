-- Completes the stored copies of a delivered message: exchanges the elements that this module added for those of later metadata.

local load_library = ...;

local set = require "util.set";
local st = require "util.stanza";

local elements = load_library("elements");
local media_library = load_library("media");

local max_depth = 8; -- of the added elements, which have 5

-- > text that is equal for equal elements, whether or not a storage has written each child's namespace out; nil if too deep to be ours
local function canonical(tag, parent_xmlns, depth)
	if depth > max_depth then
		return nil;
	end
	local xmlns = tag.attr.xmlns or parent_xmlns or "";
	local parts = {};
	for name, value in pairs(tag.attr) do
		if name ~= "xmlns" then
			table.insert(parts, name.."="..st.xml_escape(value));
		end
	end
	table.sort(parts);
	for _, child in ipairs(tag) do
		local text = type(child) == "string" and st.xml_escape(child) or type(child) == "table" and canonical(child, xmlns, depth + 1);
		if not text then
			return nil;
		end
		table.insert(parts, text);
	end
	return "<"..tag.name.." "..xmlns.." "..table.concat(parts, " ")..">";
end

local function texts_of(tags) -- > set of canonical texts
	local texts = {};
	for _, tag in ipairs(tags) do
		texts[canonical(tag, nil, 1)] = true;
	end
	return texts;
end

-- > text that is equal for copies of a message, until it is corrected, or replaced by the tombstone of a retracted one
local function fingerprint(stanza)
	local parts = { stanza.attr.id or "" };
	for body in stanza:childtags("body") do
		table.insert(parts, body:get_text() or "");
	end
	for x in stanza:childtags("x", media_library.xmlns_oob) do
		table.insert(parts, x:get_child_text("url", media_library.xmlns_oob) or "");
	end
	return table.concat(parts, "\0");
end

local id_namespaces = {
	["urn:xmpp:sid:0"] = true; -- XEP-0359: <stanza-id/>, <origin-id/>
};
local change_namespaces = {
	["urn:xmpp:message-correct:0"] = true; -- XEP-0308
	["urn:xmpp:message-retract:0"] = true, ["urn:xmpp:message-retract:1"] = true; -- XEP-0424, also of moderators (XEP-0425)
	["urn:xmpp:fasten:0"] = true; -- XEP-0422, which older retractions are wrapped in
};

local function find_ids(stanza, namespaces) -- > array of the ids in its children of these namespaces
	local ids = {};
	for _, child in ipairs(stanza.tags) do
		if namespaces[child.attr.xmlns] and child.attr.id then
			table.insert(ids, child.attr.id);
		end
	end
	return ids;
end

local function ids_of(stanza) -- > set of the ids by which another message may refer to this one
	local ids = find_ids(stanza, id_namespaces);
	table.insert(ids, stanza.attr.id);
	return set.new(ids);
end

local function changed_ids(stanza) -- > array of the ids of messages that this one corrects or retracts
	return find_ids(stanza, change_namespaces);
end

local function remove_elements(stanza, texts)
	local function keep(tag)
		return not texts[canonical(tag, nil, 1) or false] and tag or nil;
	end
	stanza:maptags(keep);
	for x in stanza:childtags("x", media_library.xmlns_oob) do
		x:maptags(keep);
	end
end

-- A copy: { get = function () > stanza or nil; set = function (stanza) > true if it was stored }
--
-- added: set of canonical texts of the elements that were added when the message was delivered
local function complete_copy(copy, mark, added, metadata, outputs, trusted_hosts) -- > "stored", "changed" (meanwhile) or "failed"
	local stored = copy.get();
	if not stored or fingerprint(stored) ~= mark then
		return "changed";
	end
	local stanza = st.clone(stored);
	remove_elements(stanza, added);
	elements.add_elements(stanza, media_library.find_media(stanza, nil), metadata, outputs, trusted_hosts);
	return copy.set(stanza) and "stored" or "failed";
end

-- archive: a store of Prosody's type "archive"; not every storage can change an item
local function archived_copy(archive, username, id) -- > copy, or nil
	if not archive or not archive.get or not archive.set then
		return nil;
	end
	return {
		get = function () return (archive:get(username, id)); end;
		set = function (stanza) return archive:set(username, id, stanza); end;
	};
end

return {
	texts_of = texts_of;
	fingerprint = fingerprint;
	ids_of = ids_of;
	changed_ids = changed_ids;
	complete_copy = complete_copy;
	archived_copy = archived_copy;
};
