-- Adds metadata to a stanza as XMPP elements.
--
-- Pure: it knows neither the module, nor its options, nor the clock.

local load_library = ...; -- loads another file of this library

local base64 = require "util.encodings".base64;
local st = require "util.stanza";

local media_library = load_library("media");

local xmlns_file_metadata = "urn:xmpp:file:metadata:0"; -- XEP-0446
local xmlns_hashes = "urn:xmpp:hashes:2"; -- XEP-0300
local xmlns_thumbs = "urn:xmpp:thumbs:1"; -- XEP-0264
local xmlns_reference = "urn:xmpp:reference:0"; -- XEP-0372
local xmlns_sims = "urn:xmpp:sims:1"; -- XEP-0385
local xmlns_jingle_file = "urn:xmpp:jingle:apps:file-transfer:5"; -- XEP-0234
local xmlns_schema_org = "https://schema.org/"; -- for what XEP-0385 has no element of its own
local xmlns_sfs = "urn:xmpp:sfs:0"; -- XEP-0447
local xmlns_url_data = "http://jabber.org/protocol/url-data"; -- XEP-0103
local xmlns_fallback = "urn:xmpp:fallback:0"; -- XEP-0428

local max_growth = 1536; -- bytes that one URL may add to a stanza, which is sent to all occupants and kept in archives

-- The elements.

-- The fields of the oracle's answer that each output carries, as its keys. Of these only sha256 makes the oracle read a file to its
-- end: where another output carries a hash, it does so only if it is known.
local output_fields = {
	["legacy"] = { "bytes", "type", "blurhash", "width", "height" };
	["file-metadata"] = { "bytes", "type", "filename", "width", "height", "durationMs" };
	["sims"] = { "bytes", "type", "filename", "width", "height", "durationMs", "thumbhash", "blurhash" };
	["sfs"] = { "bytes", "type", "filename", "width", "height", "durationMs", "sha256" };
};

local function fields_of(outputs) -- > array of the keys that the outputs carry, sorted
	local found, fields = {}, {};
	for output, names in pairs(output_fields) do
		for _, name in ipairs(outputs:contains(output) and names or {}) do
			if not found[name] then
				found[name] = true;
				table.insert(fields, name);
			end
		end
	end
	table.sort(fields);
	return fields;
end

local function is_informative(metadata) -- > boolean
	local is_typed = metadata.type ~= nil and metadata.type ~= "application/octet-stream";
	return is_typed or (metadata.bytes or metadata.blurhash or metadata.width or metadata.height) ~= nil;
end

local function add_text(tag, name, value, attr)
	if type(value) == "number" then
		value = ("%d"):format(value);
	end
	if value then
		tag:text_tag(name, value, attr);
	end
end

local function legacy_tag(metadata) -- > <metadata/>
	local tag = st.stanza("metadata", { xmlns = media_library.xmlns_metadata });
	for _, name in ipairs { "bytes", "type", "blurhash", "width", "height" } do
		add_text(tag, name, metadata[name]);
	end
	return tag;
end

local function hash_text(sha256) -- > base64; XEP-0300 has no hex
	return base64.encode((sha256:gsub("%x%x", function (digits) return string.char(tonumber(digits, 16)); end)));
end

local function add_hash(tag, metadata)
	if metadata.sha256 then
		tag:text_tag("hash", hash_text(metadata.sha256), { xmlns = xmlns_hashes, algo = "sha-256" });
	end
end

local function add_file_fields(tag, metadata) -- the elements that XEP-0446 and XEP-0234 share
	add_text(tag, "media-type", metadata.type);
	add_text(tag, "name", metadata.name);
	add_text(tag, "size", metadata.bytes);
end

local function file_metadata_tag(metadata) -- > <file/> of XEP-0446
	local tag = st.stanza("file", { xmlns = xmlns_file_metadata });
	add_file_fields(tag, metadata);
	add_text(tag, "width", metadata.width);
	add_text(tag, "height", metadata.height);
	add_text(tag, "length", metadata.duration);
	add_hash(tag, metadata);
	return tag;
end

local function percent_encoded(text)
	return (text:gsub("[^%w%-._~]", function (char) return ("%%%02X"):format(char:byte()); end));
end

local function add_thumbnail(tag, metadata, media_type, data)
	tag:tag("thumbnail", {
		xmlns = xmlns_thumbs;
		["media-type"] = media_type;
		uri = "data:"..media_type..data;
		width = metadata.width and ("%d"):format(metadata.width);
		height = metadata.height and ("%d"):format(metadata.height);
	}):up();
end

local function sims_tag(metadata, url) -- > <reference/> of XEP-0385, or nil without the type and size that it requires
	if not metadata.type or not metadata.bytes then
		return nil;
	end
	local tag = st.stanza("reference", { xmlns = xmlns_reference, type = "data" })
		:tag("media-sharing", { xmlns = xmlns_sims })
			:tag("file", { xmlns = xmlns_jingle_file });
	add_file_fields(tag, metadata);
	add_text(tag, "width", metadata.width, { xmlns = xmlns_schema_org });
	add_text(tag, "height", metadata.height, { xmlns = xmlns_schema_org });
	if metadata.duration then
		tag:text_tag("duration", ("PT%.3fS"):format(metadata.duration / 1000), { xmlns = xmlns_schema_org }); -- ISO 8601
	end
	add_hash(tag, metadata);
	-- In this order: one client reads only the first thumbnail, and supports only ThumbHash.
	if metadata.thumbhash then
		add_thumbnail(tag, metadata, "image/thumbhash", ";base64,"..metadata.thumbhash);
	end
	if metadata.blurhash then
		add_thumbnail(tag, metadata, "image/blurhash", ","..percent_encoded(metadata.blurhash));
	end
	return tag:up()
		:tag("sources")
			:tag("reference", { xmlns = xmlns_reference, type = "data", uri = url })
		:reset();
end

local function sfs_tag(metadata, url, id) -- > <file-sharing/> of XEP-0447
	local kind = (metadata.type or ""):match("^[^/]*");
	local is_shown = kind == "image" or kind == "video" or kind == "audio";
	local tag = st.stanza("file-sharing", { xmlns = xmlns_sfs, id = id, disposition = is_shown and "inline" or nil });
	tag:add_child(file_metadata_tag(metadata));
	return tag:tag("sources"):tag("url-data", { xmlns = xmlns_url_data, target = url }):reset();
end

local function fallback_tag() -- > <fallback/> of XEP-0428: the body is for clients without XEP-0447
	return st.stanza("fallback", { xmlns = xmlns_fallback, ["for"] = xmlns_sfs }):tag("body"):reset();
end

-- The stanza.

-- > predicate: whether the sender describes a URL in an element that we would add. The sender has the file, so that element is
--   the better one. An element without a URL (XEP-0446 never has one) describes all URLs.
local function described_by_sender(stanza)
	local named, is_unnamed = {}, stanza:get_child("file", xmlns_file_metadata) ~= nil;
	for _, child in ipairs(stanza.tags) do
		local is_sims = child.name == "reference" and child.attr.xmlns == xmlns_reference and child:child_with_name("media-sharing");
		if is_sims or child.name == "file-sharing" and child.attr.xmlns == xmlns_sfs then
			local has_name = false;
			media_library.each_element(child, function (element)
				local url = element.name == "reference" and element.attr.uri or element.name == "url-data" and element.attr.target;
				if url then
					has_name = true;
					named[url] = true;
				end
			end);
			is_unnamed = is_unnamed or not has_name;
		end
	end
	return function (url)
		return is_unnamed or named[url] == true;
	end;
end

-- XEP-0447 requires a body with only the shared URLs, and its clients hide the body: text beside the URL would be lost.
local function has_only_urls(stanza, urls) -- > boolean
	for body in stanza:childtags("body") do
		for word in (body:get_text() or "?"):gmatch("%S+") do
			if not urls[word] then
				return false;
			end
		end
	end
	return true;
end

local function add_shares(stanza, shares, distinct) -- > boolean; all or none: clients with XEP-0447 read nothing else
	local urls = {};
	for _, share in ipairs(shares) do
		urls[share.url] = true;
	end
	if #shares == 0 or #shares < distinct or not has_only_urls(stanza, urls) then
		return false;
	end
	for _, share in ipairs(shares) do
		stanza:add_direct_child(share.tag);
	end
	if stanza:get_child("body") then
		stanza:add_direct_child(fallback_tag());
	end
	return true;
end

local function new_budget() -- > function (tag, another) > tag, or nil if it (with the other one) would make the stanza too long
	local left = max_growth;
	return function (tag, another)
		local size = tag and #tostring(tag) + #tostring(another or "") or math.huge;
		if size <= left then
			left = left - size;
			return tag;
		end
	end;
end

-- Adds the metadata of a stanza's media as elements of the given outputs: "legacy", "file-metadata", "sims", "sfs". In this order, as
-- far as they fit.
--
-- described: URL > metadata, or nil
local function add_elements(stanza, media, described, outputs) -- > boolean: whether it added an element
	local is_by_sender = described_by_sender(stanza);
	local distinct = media_library.count_urls(stanza);
	local shares, seen, added = {}, {}, false;
	local function add(parent, tag)
		if tag then
			parent:add_direct_child(tag);
			added = true;
		end
	end

	for _, medium in ipairs(media) do
		local url = medium.url;
		local metadata = described[url];
		if metadata and is_informative(metadata) then
			local affordable = new_budget();
			if outputs:contains("legacy") then
				add(medium.x, affordable(legacy_tag(metadata)));
			end
			if not seen[url] and not is_by_sender(url) then
				seen[url] = true;
				if outputs:contains("file-metadata") and distinct == 1 then
					add(stanza, affordable(file_metadata_tag(metadata)));
				end
				if outputs:contains("sims") then
					add(stanza, affordable(sims_tag(metadata, url)));
				end
				local id = distinct > 1 and "media-"..(#shares + 1) or nil; -- clients distinguish several shares by it
				local share = outputs:contains("sfs") and metadata.sha256 and affordable(sfs_tag(metadata, url, id), fallback_tag());
				if share then
					table.insert(shares, { url = url; tag = share });
				end
			end
		end
	end
	return add_shares(stanza, shares, distinct) or added;
end

return {
	fields_of = fields_of;
	add_elements = add_elements;
};
