-- Finds the URLs of a stanza that are looked up, and adds metadata to it as XMPP elements.
--
-- Pure: it knows neither the module, nor its options, nor the clock.

local base64 = require "util.encodings".base64;
local st = require "util.stanza";

local xmlns_oob = "jabber:x:oob"; -- XEP-0066
local xmlns_eme = "urn:xmpp:eme:0"; -- XEP-0380
local xmlns_metadata = "xmpp:prosody.im/protocol/media-metadata#0";
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

local max_url_bytes = 8192; -- the oracle's limit
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
	local tag = st.stanza("metadata", { xmlns = xmlns_metadata });
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

local function is_metadata(child)
	return type(child) == "table" and child.name == "metadata" and child.attr.xmlns == xmlns_metadata;
end

local function without_metadata(list) -- > list, changed in place
	local kept = 0;
	for i = 1, #list do
		local child = list[i];
		list[i] = nil;
		if not is_metadata(child) then
			kept = kept + 1;
			list[kept] = child;
		end
	end
	return list;
end

-- Without recursion and linear in the size of the stanza: it runs on every message of every sender.
local function each_element(stanza, visit)
	local elements, n = { stanza }, 1;
	while n > 0 do
		local element = elements[n];
		elements[n], n = nil, n - 1;
		visit(element);
		for _, child in ipairs(element.tags) do
			n = n + 1;
			elements[n] = child;
		end
	end
end

local function strip_metadata(stanza) -- > stanza, changed in place, without <metadata/> at any depth
	each_element(stanza, function (element)
		if element:get_child("metadata", xmlns_metadata) then
			without_metadata(element);
			without_metadata(element.tags);
		end
	end);
	return stanza;
end

local function host_of(url) -- > host in lower case, host with its port if there is one; or nil if it is not an http(s) URL
	local authority = url:match("^[Hh][Tt][Tt][Pp][Ss]?://([^/?#\\]+)");
	if not authority then
		return nil;
	end
	-- "^.*@" is linear; "[^@]*$" is quadratic, and a stanza of such URLs would block the server for seconds.
	local host_and_port = authority:gsub("^.*@", ""):lower();
	return (host_and_port:gsub(":%d*$", "")), host_and_port;
end

local function is_wanted(url, wanted_hosts) -- > boolean; the oracle decides which URLs are allowed, this only saves requests
	if #url > max_url_bytes then
		return false;
	end
	-- Never aesgcm: it is end-to-end encrypted media, which only its readers may fetch.
	local host, host_and_port = host_of(url);
	if not host then
		return false;
	end
	return wanted_hosts == nil or wanted_hosts:contains(host) or wanted_hosts:contains(host_and_port) or false;
end

local function oob_url(x) -- > URL, or nil
	return (x:get_child_text("url", xmlns_oob) or ""):match("^%s*(%S+)%s*$");
end

-- wanted_hosts: a set, or nil for all
local function find_media(stanza, wanted_hosts) -- > array of { x = <x/>, url = }, array of distinct URLs
	local media, urls, seen = {}, {}, {};
	if stanza:child_with_name("encrypted") or stanza:child_with_ns(xmlns_eme) then
		return media, urls;
	end
	for x in stanza:childtags("x", xmlns_oob) do
		local url = oob_url(x);
		if url and is_wanted(url, wanted_hosts) then
			media[#media + 1] = { x = x; url = url };
			if not seen[url] then
				seen[url] = true;
				urls[#urls + 1] = url;
			end
		end
	end
	return media, urls;
end

local function count_urls(stanza) -- > number of out-of-band URLs of any kind, number of distinct ones
	local all, distinct, seen = 0, 0, {};
	for x in stanza:childtags("x", xmlns_oob) do
		local url = x:get_child_text("url", xmlns_oob);
		all = all + 1;
		if url and not seen[url] then
			seen[url] = true;
			distinct = distinct + 1;
		end
	end
	return all, distinct;
end

-- > predicate: whether the sender describes a URL in an element that we would add. The sender has the file, so that element is
--   the better one. An element without a URL (XEP-0446 never has one) describes all URLs.
local function described_by_sender(stanza)
	local named, is_unnamed = {}, stanza:get_child("file", xmlns_file_metadata) ~= nil;
	for _, child in ipairs(stanza.tags) do
		local is_sims = child.name == "reference" and child.attr.xmlns == xmlns_reference and child:child_with_name("media-sharing");
		if is_sims or child.name == "file-sharing" and child.attr.xmlns == xmlns_sfs then
			local has_name = false;
			each_element(child, function (element)
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
	local all, distinct = count_urls(stanza);
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
				if outputs:contains("file-metadata") and all == 1 then
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
	xmlns_metadata = xmlns_metadata;
	strip_metadata = strip_metadata;
	is_wanted = is_wanted;
	find_media = find_media;
	add_elements = add_elements;
};
